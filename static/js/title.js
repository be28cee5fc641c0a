// The window's title tells how far the running job is, for people who look at another tab meanwhile.

import { jobsOf, onJobs } from "./jobs.js";

const NAME = "Darkroom";

export function start() {
  onJobs(() => {
    const running = ["txt2img", "img2img"].flatMap(jobsOf).find((job) => job.state === "running");
    const title = running ? `[${Math.floor(100 * running.progress)} %] ${NAME}` : NAME;
    if (document.title !== title) document.title = title;
  });
}

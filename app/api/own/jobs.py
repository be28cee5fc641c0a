"""Jobs of /api/v1: hand one in and get its id at once, look, stop, take up."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from app.api.client import client_of, user_of
from app.api.idempotency import IdempotencyKey, request_key
from app.api.own.pictures import decoded
from app.api.own.views import Job
from app.api.prompts import final_prompts
from app.api.scopes import root_of
from app.api.services import Services
from app.engine.client import Stop
from app.jobs import JobState
from app.schema.params import GenerationParams, check_starts, make_params
from app.schema.scripts import ScriptCall

JobId = Annotated[str, Path(max_length=100)]


class NewJob(GenerationParams):
    """Settings of a job, pictures in base64 for img2img, and what to do with the result."""

    images: tuple[str, ...] = Field((), max_length=1000, description="Pictures to start from, in base64; added to `init_images`.")
    mask_image: str = Field("", description="A mask in base64, in the place of `mask`.")
    styles: tuple[str, ...] = Field((), max_length=1000, description="Names of styles that are merged into the prompts.")
    save: bool = Field(True, description="Save the pictures in the outputs folder; else they are kept in memory for a while.")
    script: ScriptCall | None = Field(None, description="A script of GET /sdapi/v1/script-info that makes the job's pictures.")
    task_id: str | None = Field(None, max_length=200, description="A name of the asker's own for the job.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # How settings fit each other is asked once `images` have become `init_images`; but none is stored for nothing.
        check_starts(len(self.init_images) + len(self.images), self.batch_size)
        return self


class NewJobId(BaseModel):
    """The job that was accepted."""

    id: str


def job_routes(services: Services) -> APIRouter:
    """Everything below /api/v1/jobs."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])
    jobs = services.jobs

    @router.post("", status_code=202)
    def submit(new: NewJob, http: Request, idempotency_key: IdempotencyKey = None) -> NewJobId:
        """Accepts a job and answers at once; options stand in for settings that are left out.

        A request that is sent again with the same Idempotency-Key is the same job, whatever has become of it.
        """
        options = services.options.view()
        values = new.model_dump(include=new.model_fields_set & GenerationParams.model_fields.keys())
        values["prompt"], values["negative_prompt"] = final_prompts(services, options, new.prompt, new.negative_prompt, new.styles)
        values["merged_styles"] = new.styles or new.merged_styles
        background = options.text("img2img_background_color")
        stored = (services.inputs.add(decoded(picture), background) for picture in new.images)
        values["init_images"] = (*new.init_images, *stored)
        if new.mask_image:
            values["mask"] = services.inputs.add_mask(decoded(new.mask_image), cut=new.mask_round)
        params = make_params(**options.apply_to(values))
        named = (*new.init_images, new.mask, new.latent_mask, new.colour_source)
        jobs.check_inputs(named, client=services.scope_of(client_of(http)))
        request = request_key(idempotency_key, new)
        job = jobs.submit(
            params,
            client=client_of(http),
            user=user_of(http),
            task_id=new.task_id,
            save=new.save,
            options=options,
            request=request,
            script=new.script,
        )
        return NewJobId(id=job)

    @router.get("")
    def listed(
        http: Request, state: Annotated[list[JobState] | None, Query()] = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> list[Job]:
        """The asker's jobs, newest first."""
        root, price = root_of(http.scope), services.settings.price_per_hour
        return [Job.of(view, root, price) for view in jobs.list(client_of(http), state, limit)]

    @router.get("/{job}")
    def one(job: JobId, http: Request) -> Job:
        """One of the asker's jobs."""
        return Job.of(jobs.get(job, client=client_of(http)), root_of(http.scope), services.settings.price_per_hour)

    @router.get("/{job}/preview", response_class=Response)
    def preview(job: JobId, http: Request) -> Response:
        """The newest rough look at the running job's picture; 204 while there is none."""
        look = jobs.preview(job, client=client_of(http))
        if look is None:
            return Response(status_code=204)
        return Response(look.data, media_type=look.media_type, headers={"Cache-Control": "no-store", "X-Preview-Number": str(look.number)})

    @router.post("/{job}/{how}")
    def stop(job: JobId, how: Literal["interrupt", "skip", "cancel"], http: Request) -> Job:
        """interrupt: finish with what the steps so far have made. skip: the same for this batch. cancel: drop the job."""
        jobs.stop(job, Stop(how), client=client_of(http))
        return Job.of(jobs.get(job, client=client_of(http)), root_of(http.scope), services.settings.price_per_hour)

    return router

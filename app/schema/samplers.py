"""Names of samplers and schedulers as A1111 lists them: facts that the page and the API show without importing torch."""

from dataclasses import dataclass, field

from app.schema.errors import UnknownName

_ANCESTRAL = frozenset(
    {
        "DPM++ SDE",
        "DPM++ 2M SDE",
        "DPM++ 2M SDE Heun",
        "DPM++ 2S a",
        "DPM++ 3M SDE",
        "Euler a",
        "DPM2 a",
        "DPM fast",
        "DPM adaptive",
    }
)
_DDIM = frozenset({"DDIM", "DDIM CFG++"})
_TIMESTEPS = _DDIM | {"PLMS", "UniPC"}
_CHURNED = frozenset({"Euler", "Heun", "DPM2"})
_NOISED = frozenset({"DPM2 a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE", "DPM fast"})


@dataclass(frozen=True, kw_only=True)
class SamplerName:
    """One sampler as people and programs call it."""

    name: str
    aliases: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    """What /sdapi/v1/samplers lists under `options`, as A1111 does."""

    @property
    def automatic(self) -> str | None:
        """Internal name of the scheduler that "Automatic" stands for; None: the model's own table."""
        return self.options.get("scheduler")

    @property
    def second_order(self) -> bool:
        """Whether a step counts as two denoiser calls."""
        return "second_order" in self.options

    @property
    def default_eta(self) -> float | None:
        """The eta it runs with unless told otherwise: 1 where fresh noise is its nature, 0 for DDIM; None: it has none."""
        return 1.0 if self.name in _ANCESTRAL else 0.0 if self.name in _DDIM else None

    @property
    def eta_label(self) -> str:
        """What the infotext calls its eta."""
        return "Eta DDIM" if self.name in _DDIM else "Eta"

    @property
    def discards_penultimate(self) -> bool:
        """Whether it takes one sigma more than steps and leaves the last but one out."""
        return "discard_next_to_last_sigma" in self.options

    @property
    def on_timesteps(self) -> bool:
        """Whether it runs on the model's timesteps, so that schedulers and their settings do not concern it."""
        return self.name in _TIMESTEPS

    @property
    def names_ensd(self) -> bool:
        """Whether the infotext names an eta noise seed delta with it."""
        return "uses_ensd" in self.options

    @property
    def churn_settings(self) -> tuple[str, ...]:
        """Which of s_churn, s_tmin, s_tmax and s_noise it looks at."""
        if self.name in _CHURNED:
            return ("s_churn", "s_tmin", "s_tmax", "s_noise")
        return ("s_noise",) if self.name in _NOISED else ()


@dataclass(frozen=True, kw_only=True)
class SchedulerName:
    """One schedule of noise levels: `name` in programs, `label` for people and in the infotext."""

    name: str
    label: str
    default_rho: float = -1.0
    need_inner_model: bool = False
    aliases: tuple[str, ...] | None = None


SAMPLERS: tuple[SamplerName, ...] = (
    SamplerName(name="DPM++ 2M", aliases=("k_dpmpp_2m",), options={"scheduler": "karras"}),
    SamplerName(
        name="DPM++ SDE", aliases=("k_dpmpp_sde",), options={"scheduler": "karras", "second_order": "True", "brownian_noise": "True"}
    ),
    SamplerName(name="DPM++ 2M SDE", aliases=("k_dpmpp_2m_sde",), options={"scheduler": "exponential", "brownian_noise": "True"}),
    SamplerName(
        name="DPM++ 2M SDE Heun",
        aliases=("k_dpmpp_2m_sde_heun",),
        options={"scheduler": "exponential", "brownian_noise": "True", "solver_type": "heun"},
    ),
    SamplerName(name="DPM++ 2S a", aliases=("k_dpmpp_2s_a",), options={"scheduler": "karras", "uses_ensd": "True", "second_order": "True"}),
    SamplerName(
        name="DPM++ 3M SDE",
        aliases=("k_dpmpp_3m_sde",),
        options={"scheduler": "exponential", "discard_next_to_last_sigma": "True", "brownian_noise": "True"},
    ),
    SamplerName(name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), options={"uses_ensd": "True"}),
    SamplerName(name="Euler", aliases=("k_euler",)),
    SamplerName(name="LMS", aliases=("k_lms",)),
    SamplerName(name="Heun", aliases=("k_heun",), options={"second_order": "True"}),
    SamplerName(
        name="DPM2", aliases=("k_dpm_2",), options={"scheduler": "karras", "discard_next_to_last_sigma": "True", "second_order": "True"}
    ),
    SamplerName(
        name="DPM2 a",
        aliases=("k_dpm_2_a",),
        options={"scheduler": "karras", "discard_next_to_last_sigma": "True", "uses_ensd": "True", "second_order": "True"},
    ),
    SamplerName(name="DPM fast", aliases=("k_dpm_fast",), options={"uses_ensd": "True"}),
    SamplerName(name="DPM adaptive", aliases=("k_dpm_ad",), options={"uses_ensd": "True"}),
    SamplerName(name="Restart", aliases=("restart",), options={"scheduler": "karras", "second_order": "True"}),
    SamplerName(name="DDIM", aliases=("ddim",)),
    SamplerName(name="DDIM CFG++", aliases=("ddim_cfgpp",)),
    SamplerName(name="PLMS", aliases=("plms",)),
    SamplerName(name="UniPC", aliases=("unipc",)),
    SamplerName(name="LCM", aliases=("k_lcm",)),
)

SCHEDULERS: tuple[SchedulerName, ...] = (
    SchedulerName(name="automatic", label="Automatic"),
    SchedulerName(name="uniform", label="Uniform", need_inner_model=True),
    SchedulerName(name="karras", label="Karras", default_rho=7.0),
    SchedulerName(name="exponential", label="Exponential"),
    SchedulerName(name="polyexponential", label="Polyexponential", default_rho=1.0),
    SchedulerName(name="sgm_uniform", label="SGM Uniform", need_inner_model=True, aliases=("SGMUniform",)),
    SchedulerName(name="kl_optimal", label="KL Optimal"),
    SchedulerName(name="align_your_steps", label="Align Your Steps"),
    SchedulerName(name="simple", label="Simple", need_inner_model=True),
    SchedulerName(name="normal", label="Normal", need_inner_model=True),
    SchedulerName(name="ddim", label="DDIM", need_inner_model=True),
    SchedulerName(name="beta", label="Beta", need_inner_model=True),
)


def find_scheduler(name: str) -> SchedulerName:
    """The scheduler of this internal name, label or alias; UnknownName for any other word."""
    for scheduler in SCHEDULERS:
        if name in (scheduler.name, scheduler.label, *(scheduler.aliases or ())):
            return scheduler
    raise UnknownName("scheduler", name, [scheduler.label for scheduler in SCHEDULERS])


def find_sampler(name: str) -> tuple[SamplerName, SchedulerName | None]:
    """The sampler of this name or alias, in any case; UnknownName for any other word.

    Old combined names, "DPM++ 2M Karras", give the scheduler as well; otherwise that is None.
    """
    known = {word.lower(): sampler for sampler in SAMPLERS for word in (sampler.name, *sampler.aliases)}
    wanted = name.lower()
    if wanted in known:
        return known[wanted], None
    for scheduler in SCHEDULERS:
        head = wanted.removesuffix(f" {scheduler.label.lower()}")  # whole: "Euler SGM Uniform" is no "Euler SGM" on Uniform
        if head != wanted and head in known:
            return known[head], scheduler
    raise UnknownName("sampler", name, [sampler.name for sampler in SAMPLERS])

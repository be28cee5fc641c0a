"""Names of samplers and schedulers as A1111 lists them: facts that the page and the API show without importing torch."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SamplerName:
    """One sampler as people and programs call it."""

    name: str
    aliases: tuple[str, ...] = ()
    automatic: str | None = None
    """Internal name of the scheduler that "Automatic" stands for; None: the model's own table."""
    options: dict[str, str] = field(default_factory=dict)
    """What /sdapi/v1/samplers lists under `options`, as A1111 does."""


@dataclass(frozen=True, kw_only=True)
class SchedulerName:
    """One schedule of noise levels: `name` in programs, `label` for people and in the infotext."""

    name: str
    label: str
    default_rho: float = -1.0
    need_inner_model: bool = False
    aliases: tuple[str, ...] | None = None


SAMPLERS: tuple[SamplerName, ...] = (
    SamplerName(name="DPM++ 2M", aliases=("k_dpmpp_2m",), automatic="karras", options={"scheduler": "karras"}),
    SamplerName(name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), options={"uses_ensd": "True"}),
    SamplerName(name="Euler", aliases=("k_euler",)),
    SamplerName(name="DDIM", aliases=("ddim",)),
)

SCHEDULERS: tuple[SchedulerName, ...] = (
    SchedulerName(name="automatic", label="Automatic"),
    SchedulerName(name="karras", label="Karras", default_rho=7.0),
    SchedulerName(name="exponential", label="Exponential"),
    SchedulerName(name="sgm_uniform", label="SGM Uniform", need_inner_model=True, aliases=("SGMUniform",)),
    SchedulerName(name="simple", label="Simple", need_inner_model=True),
    SchedulerName(name="normal", label="Normal", need_inner_model=True),
)

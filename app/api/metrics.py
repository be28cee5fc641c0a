"""GET /metrics: the figures in Prometheus's text format."""

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.api.services import Services


class _Figures(Collector):
    """Reads everything when it is asked, so nothing has to be kept in step."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing in advance: a registry that asks would look at the machine."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        counts, engine = self._services.jobs.counts(), self._services.engine.status()
        machine = self._services.machine.look(engine.device)
        ended = CounterMetricFamily("darkroom_jobs", "Jobs by the state they ended in.", labels=["state"])
        for state in ("done", "failed", "cancelled"):
            ended.add_metric([state], counts.ended.get(state, 0))
        yield ended
        yield CounterMetricFamily("darkroom_pictures", "Pictures kept.", value=counts.pictures)
        yield CounterMetricFamily("darkroom_forwards", "Forwards since the engine's start.", value=engine.forwards)
        yield CounterMetricFamily("darkroom_rows", "Rows run through them, padding not counted.", value=engine.rows)
        yield CounterMetricFamily("darkroom_engine_deaths", "How often the engine's process died.", value=engine.deaths)
        yield GaugeMetricFamily("darkroom_jobs_queued", "Jobs that wait.", value=counts.queued)
        yield GaugeMetricFamily("darkroom_jobs_running", "Jobs that are being made.", value=counts.running)
        yield GaugeMetricFamily("darkroom_pictures_per_minute", "Pictures kept in the last minute.", value=counts.pictures_a_minute)
        load = GaugeMetricFamily("darkroom_device_load_ratio", "How busy the device is, 0 to 1.", labels=["kind"])
        load.add_metric([machine.kind], machine.load)
        yield load
        for name, value in (("used", machine.memory_used_bytes), ("total", machine.memory_total_bytes)):
            memory = GaugeMetricFamily(f"darkroom_device_memory_{name}_bytes", f"Memory of the device, {name}.", labels=["kind"])
            memory.add_metric([machine.kind], value)
            yield memory


def metrics_routes(services: Services) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["facts"])
    registry = CollectorRegistry()
    registry.register(_Figures(services))

    @router.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return router

"""What a service exposes to Prometheus, read without Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


class Samples:
    """One reading of a service's metrics."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def of(self, name: str, **labels: str) -> Iterator[Sample]:
        """The samples of a series that have these labels, among others."""
        return (sample for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items())

    def total(self, name: str, **labels: str) -> float:
        """0 when there is no such sample."""
        return sum(sample.value for sample in self.of(name, **labels))


def parse(text: str) -> Samples:
    """Of the exposition format, those series that are Klaster's own or the process's."""
    return Samples(
        [
            Sample(sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            if family.name.startswith(("klaster_", "process_"))
            for sample in family.samples
        ]
    )

"""The dashboard and the alert rules ask only for metrics and labels that exist, and ask for them as their kind wants."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from runtime import metrics
from runtime.settings import Settings

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "hookstream.json").read_text())
RULES = [
    rule for group in yaml.safe_load((GRAFANA / "prometheus" / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
SCRAPE = yaml.safe_load((GRAFANA / "prometheus" / "prometheus.yml").read_text())

METRICS = {m._name: m for m in vars(metrics).values() if isinstance(m, Counter | Gauge | Histogram)}
SUFFIXES = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}
SERIES = {
    name + suffix: (metric, suffix) for name, metric in METRICS.items() for suffix in SUFFIXES[type(metric)]
}  # fmt: skip
FOREIGN = {"up": (), "process_resident_memory_bytes": (), "process_cpu_seconds_total": ()}
"""Metrics of Prometheus and of its client library; their labels are those of the scrape."""
SCRAPED = {"job", "instance"}
WORDS = {
    "sum", "min", "max", "by", "rate", "increase", "delta", "histogram_quantile", "absent", "vector",
    "and", "or", "unless", "offset", "le",
}  # fmt: skip


def panels() -> list[dict[str, Any]]:
    return [p for p in DASHBOARD["panels"] if p["type"] != "row"]


EXPRESSIONS = [
    *(pytest.param(t["expr"], id=f"panel: {p['title']} {t['refId']}") for p in panels() for t in p["targets"]),
    *(pytest.param(rule["expr"], id=f"alert: {rule['alert']}") for rule in RULES),
]

_SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def names(expression: str) -> list[str]:
    """Metric names of a PromQL expression: what is left without strings, selectors, ranges and groupings."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = _SELECTOR.sub(r"\1", bare)
    bare = re.sub(r"\[[^\]]*\]|\boffset \w+", " ", _GROUPING.sub(" ", bare))
    return [n for n in _NAME.findall(bare) if n not in WORDS]


def labels(series: str) -> set[str]:
    if series in FOREIGN:
        return SCRAPED
    metric, suffix = SERIES[series]
    return {*metric._labelnames, *SCRAPED, *({"le"} if suffix == "_bucket" else ())}


def test_names_are_found_as_prometheus_would() -> None:
    assert names('sum by (a, b) (rate(hub_x_total{c=~"$d|up"}[5m])) > 5 * up offset 5m or vector(0)') == ["hub_x_total", "up"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
class TestExpression:
    def test_asks_for_metrics_that_exist(self, expression: str) -> None:
        assert names(expression)
        assert [n for n in names(expression) if n not in SERIES and n not in FOREIGN] == []

    def test_asks_for_labels_they_have(self, expression: str) -> None:
        for series, selector in _SELECTOR.findall(expression):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= labels(series), series
        have = set.intersection(*(labels(n) for n in names(expression)))
        for grouping in _GROUPING.findall(expression):
            assert {label.strip() for label in grouping.split(",")} <= have

    def test_takes_the_rate_of_what_only_grows(self, expression: str) -> None:
        for series in names(expression):
            if series.endswith(("_total", "_bucket", "_sum", "_count")):
                assert re.search(rf"\b(rate|increase)\({series}\b", expression), series

    def test_makes_quantiles_of_whole_buckets(self, expression: str) -> None:
        for grouping in re.findall(r"histogram_quantile\([0-9.]+, sum by \(([^)]*)\)", expression):
            assert "le" in [label.strip() for label in grouping.split(",")]
        assert expression.count("histogram_quantile(") == len(re.findall(r"histogram_quantile\(0\.\d+, sum by \(le", expression))


def test_every_metric_of_the_hub_is_on_the_dashboard() -> None:
    shown = {SERIES[n][0]._name for p in panels() for t in p["targets"] for n in names(t["expr"]) if n in SERIES}
    assert set(METRICS) - shown == set()


@pytest.mark.parametrize("panel", panels(), ids=lambda p: p["title"])
class TestPanel:
    def test_has_a_unit_an_id_and_the_chosen_data_source(self, panel: dict[str, Any]) -> None:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(t["datasource"] == panel["datasource"] for t in panel["targets"])

    def test_shows_time_in_seconds_and_rates_as_rates(self, panel: dict[str, Any]) -> None:
        unit = panel["fieldConfig"]["defaults"]["unit"]
        quantiles = {"histogram_quantile" in t["expr"] for t in panel["targets"]}
        assert (unit == "s") is (quantiles == {True})

    def test_legends_name_labels_of_the_result(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            kept = {x.strip() for grouping in _GROUPING.findall(target["expr"]) for x in grouping.split(",")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == kept - {"le"}


def test_ids_and_places_are_unique() -> None:
    every = DASHBOARD["panels"]
    assert len({p["id"] for p in every}) == len(every)
    for one, other in itertools.combinations((p["gridPos"] for p in every), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in every)


def test_variables_come_from_metrics_and_are_used() -> None:
    text = json.dumps(DASHBOARD["panels"])
    for variable in DASHBOARD["templating"]["list"]:
        assert f"${variable['name']}" in text or f"${{{variable['name']}}}" in text, variable["name"]
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
            assert label in labels(series)
    used = set(re.findall(r"\$(?!__)\{?(\w+)", text))
    assert used == {v["name"] for v in DASHBOARD["templating"]["list"]}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description"}
    words = (GRAFANA.parent / "docs" / "operations.md").read_text()
    assert f"`{rule['alert']}`" in words, "docs/operations.md says what to do about it"


def test_every_process_is_scraped_where_it_answers() -> None:
    found = {c["job_name"]: c["dns_sd_configs"][0] for c in SCRAPE["scrape_configs"]}
    for process in ("ingress", "console", "processors", "delivery"):
        where = found[f"hub-{process}"]
        assert (where["names"], where["port"]) == ([process], getattr(Settings(), f"{process}_port"))


def test_provisioning_points_where_compose_mounts() -> None:
    provisioning = GRAFANA / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "hookstream.yml").read_text())["providers"]
    compose = yaml.safe_load((GRAFANA.parent / "docker-compose.yml").read_text())["services"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose["grafana"]["volumes"]
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in compose["grafana"]["volumes"]


PROMTOOL = shutil.which("promtool")


if PROMTOOL is None:
    print("no promtool here (Debian: prometheus): the alert rules are checked without it")  # noqa: T201 - said aloud
else:

    @pytest.mark.parametrize(
        "arguments",
        [["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]],
        ids=" ".join,
    )
    def test_promtool_agrees(arguments: list[str]) -> None:
        """Runs the rules on made-up series."""
        told = subprocess.run([PROMTOOL, *arguments], cwd=GRAFANA / "prometheus", capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr

"""Prometheus reads how lots fare; alerts and dashboard name metrics that there are."""

import json
import re
import urllib.request

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.repository import ROOT

from fleet.cluster.metrics import LOT, PARTITION, FleetCollector, serve_metrics
from fleet.cluster.supervisor import LotRun
from fleet.lots.lot import LotStatus
from har_stream.core.errors import InputError

DEPLOY = ROOT / "docs" / "deploy"
STATUS = LotStatus(n_cameras=3, n_online=2, fps=14.5, latency_ms=31.0, n_waiting=4)
LOTS = FleetCollector(
    LOT,
    lambda: {"lot-1": LotRun(machine="m1", status=STATUS, n_restarts=2), "lot-2": LotRun()},
    lambda: {"lot-1": 3, "lot-2": 1},
)
FORECASTING = LotStatus(n_cameras=900, n_online=850, latency_ms=1500.0)
PARTITIONS = FleetCollector(
    PARTITION,
    lambda: {"part-1": LotRun(machine="m2", status=FORECASTING, n_restarts=1)},
    lambda: {"part-1": 900},
)


def test_every_lot_and_partition_is_told_with_its_machine() -> None:
    with serve_metrics(0, [LOTS, PARTITIONS]) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        with pytest.raises(InputError, match="give another port"), serve_metrics(port, [LOTS]):
            pass
    samples = [each for family in families for each in family.samples]
    assert {(each.name, *each.labels.values()): each.value for each in samples} == {
        ("har_fleet_cameras", "lot-1", "m1"): 3,
        ("har_fleet_cameras", "lot-2", ""): 1,
        ("har_fleet_lot_running", "lot-1", "m1"): 1,
        ("har_fleet_lot_running", "lot-2", ""): 0,
        ("har_fleet_restarts_total", "lot-1"): 2,
        ("har_fleet_restarts_total", "lot-2"): 0,
        ("har_fleet_cameras_online", "lot-1", "m1"): 2,
        ("har_fleet_frames_per_second", "lot-1", "m1"): 14.5,
        ("har_fleet_latency_ms", "lot-1", "m1"): 31.0,
        ("har_fleet_events_waiting", "lot-1", "m1"): 4,
        ("har_fleet_homes", "m2", "part-1"): 900,
        ("har_fleet_partition_running", "m2", "part-1"): 1,
        ("har_fleet_partition_restarts_total", "part-1"): 1,
        ("har_fleet_homes_forecasting", "m2", "part-1"): 850,
        ("har_fleet_forecast_late_ms", "m2", "part-1"): 1500,
    }


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    told = [*LOTS.collect(), *PARTITIONS.collect()]
    known = {sample.name for metric in told for sample in metric.samples}
    rules = yaml.safe_load((DEPLOY / "fleet-alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "fleet-dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expression in asked for name in re.findall(r"har_\w+", expression)}
    assert named == known

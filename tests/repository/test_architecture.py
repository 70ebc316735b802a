"""Imports go one way: between packages, between their folders, and never in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
from support.repository import PACKAGES, SOURCES, imported_modules, imports_of, module_name, parse

ORDER = {
    "har_stream": (
        "core",
        "config simulation",
        "bundles cameras mqtt preview",
        "homeassistant recognition",
        "pipeline publishing",
        "commands",
    ),
    "predictor": (
        "estimators outlook sessions",
        "prior",
        "models",
        "unusual",
        "journal",
        "sensors",
        "logs service",
        "evaluation",
        "commands",
    ),
    "page": (
        "words",
        "days now report_card teaching",
        "guard",
        "web",
        "commands",
    ),
    "training": (
        "config",
        "data",
        "collect evaluation",
        "encoders run_folder",
        "networks reports",
        "benchmark export",
        "fitting",
        "commands",
    ),
    "fleet": (
        "inventory lots",
        "partitions planning",
        "cluster",
        "archives training",
        "commands",
    ),
}
"""Folders and files of a package: each imports only itself and what stands in earlier lines."""
FOR_PREDICTOR = {"core", "config", "mqtt", "homeassistant", "bundles"}
"""The folders of har_stream that predictor and page may import."""
FOR_PAGE = {"fleet.cluster.overview"}
"""What page may import of fleet: it reads the fleet's tables, and runs nothing."""
STRANGERS = {
    "cameras": {"recognition"},
    "recognition": {"cameras"},
    "publishing": {"cameras", "recognition"},
}
"""Folders of har_stream that do not know each other; pipeline.py brings them together."""
PLACE = {
    package: {stage: place for place, line in enumerate(lines) for stage in line.split()}
    for package, lines in ORDER.items()
}


def _stage(module: str) -> tuple[str, str]:
    """A module's package, and its folder or file there; the map of a package has no stage."""
    package, _, rest = module.partition(".")
    return package, rest.split(".")[0]


def _is_allowed(importing: str, imported: str) -> bool:
    package, stage = _stage(importing)
    other_package, other_stage = _stage(imported)
    if not other_stage:
        return True  # `from har_stream import pipeline` names the package too
    if package != other_package:
        if package == "page" and other_package == "fleet":
            return imported in FOR_PAGE
        one_way = PACKAGES.index(other_package) < PACKAGES.index(package)
        if other_package == "page" or not one_way:
            return False
        if package == "page" and other_package == "har_stream":
            return other_stage in FOR_PREDICTOR
        return package != "predictor" or other_stage in FOR_PREDICTOR
    if stage == other_stage:
        return True
    if package == "har_stream" and other_stage in STRANGERS.get(stage, ()):
        return False
    return PLACE[package][other_stage] < PLACE[package][stage]


def test_every_stage_has_its_place_in_the_order() -> None:
    stages = {_stage(module) for module in imported_modules()} - {
        (package, "") for package in PACKAGES
    }
    assert stages == {(package, stage) for package, places in PLACE.items() for stage in places}


def test_imports_go_one_way() -> None:
    wrong = {
        f"{importing} -> {imported}"
        for importing, found in imported_modules().items()
        for imported in found
        if not _is_allowed(importing, imported)
    }
    assert not wrong


@pytest.mark.parametrize(
    ("importing", "imported", "is_allowed"),
    [
        ("har_stream.core.frame", "har_stream.config.ids", False),
        ("har_stream.mqtt.connection", "har_stream.config.broker_settings", True),
        ("har_stream.mqtt.connection", "har_stream.cameras.camera", False),
        ("har_stream.recognition.recogniser", "har_stream.cameras.camera", False),
        ("har_stream.publishing.publisher", "har_stream.recognition.recogniser", False),
        ("har_stream.core.frame", "predictor.sessions", False),
        ("predictor.models.store", "har_stream.bundles.bundle", True),
        ("predictor.models.store", "har_stream.cameras.camera", False),
        ("predictor.models.store", "training.config", False),
        ("training.data.cache", "har_stream.cameras.camera", True),
        ("page.now.home_now", "predictor.journal.records", True),
        ("page.now.home_now", "har_stream.cameras.camera", False),
        ("page.days.timeline", "page.web.app", False),
        ("page.web.fleet", "fleet.cluster.overview", True),
        ("page.web.fleet", "fleet.cluster.orders", False),
        ("training.config", "page.days.timeline", False),
        ("fleet.planning.plan", "har_stream.pipeline", True),
        ("fleet.inventory.fleet", "fleet.planning.plan", False),
        ("predictor.service.service", "fleet.planning.plan", False),
        ("training.config", "fleet.planning.plan", False),
    ],
)
def test_the_rule_itself(importing: str, imported: str, is_allowed: bool) -> None:
    assert _is_allowed(importing, imported) == is_allowed


def test_the_import_graph_has_no_cycle() -> None:
    try:
        TopologicalSorter(imported_modules()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_ray_is_imported_in_few_places() -> None:
    users = [path for path in SOURCES if any(n.split(".")[0] == "ray" for n in imports_of(path))]
    assert [module_name(path) for path in users] == [
        "fleet.archives.ray_clips",
        "fleet.cluster.machine_recognition",
        "fleet.cluster.ray_tasks",
        "fleet.cluster.ray_workers",
        "fleet.training.ray_networks",
    ]


def test_who_looks_at_a_fleet_runs_none() -> None:
    imported, waiting = set(), {"page.web.fleet"}
    while waiting:
        imported |= waiting
        waiting = {each for name in waiting for each in imported_modules()[name]} - imported
    assert {name for name in imported if name.startswith("fleet.")} == {
        "fleet.cluster.overview",
        "fleet.inventory.fleet_settings",
        "fleet.lots.lot_tables",
    }
    assert not {name for name in imported if name.startswith(("har_stream.cameras", "training"))}


def test_core_needs_no_opencv() -> None:
    core = [path for path in SOURCES if module_name(path).startswith("har_stream.core")]
    assert core
    assert not [
        path for path in core if {"cv2"} & {name.split(".")[0] for name in imports_of(path)}
    ]


def test_no_pickle_no_eval() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert not imports_of(path) & {
            *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal")
        }, path
        called = {
            node.func.id
            for node in ast.walk(parse(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec"}, path
        assert "allow_pickle=True" not in text, path

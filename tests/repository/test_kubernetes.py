"""The manifests of a fleet on Kubernetes: what they name is there, and they say what KubeRay reads.

Nothing of Kubernetes runs here: fields are compared with KubeRay's types
(ray-operator/apis/ray/v1/raycluster_types.go) and with those of Kubernetes 1.30 that are used.
"""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.repository import ROOT

from fleet.commands.fleet import make_parser
from fleet.inventory.fleet_settings import FleetSettings

FOLDER = ROOT / "docs" / "deploy" / "kubernetes"
FIELDS: dict[str, set[str]] = {
    "RayCluster": {"rayVersion", "headGroupSpec", "workerGroupSpecs"},
    "head": {"serviceType", "rayStartParams", "template"},
    "worker": {
        *("groupName", "replicas", "minReplicas", "maxReplicas"),
        *("rayStartParams", "template"),
    },
    "pod": {"automountServiceAccountToken", "initContainers", "containers", "volumes"},
    "container": {
        *("name", "image", "command", "args", "env", "securityContext"),
        *("ports", "resources", "volumeMounts"),
    },
    "Deployment": {"replicas", "strategy", "selector", "template"},
    "NetworkPolicy": {"podSelector", "policyTypes", "ingress"},
}
NEEDED = {"worker": {"groupName", "template"}, "container": {"name", "image"}}
VERSIONS = {
    "RayCluster": "ray.io/v1",
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ConfigMap": "v1",
    "Secret": "v1",
}
MANIFESTS = [
    each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())
]
BY_NAME = {(each["kind"], each["metadata"]["name"]): each for each in MANIFESTS}
FLEET = FleetSettings.model_validate(
    yaml.safe_load(BY_NAME["ConfigMap", "har-fleet-settings"]["data"]["fleet.yaml"])
)


def _check(kind: str, fields: dict[str, Any]) -> None:
    assert fields.keys() <= FIELDS[kind], kind
    assert fields.keys() >= NEEDED.get(kind, set()), kind


def _pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod's specification, by what it is for."""
    cluster = BY_NAME["RayCluster", "har-fleet"]["spec"]
    yield "head", cluster["headGroupSpec"]["template"]["spec"]
    for group in cluster["workerGroupSpecs"]:
        yield group["groupName"], group["template"]["spec"]
    yield "har-fleet", BY_NAME["Deployment", "har-fleet"]["spec"]["template"]["spec"]


def _containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, pod in _pods():
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield name, pod, container


def test_fields_are_those_that_are_read() -> None:
    assert len(BY_NAME) == len(MANIFESTS) == 8
    for each in MANIFESTS:
        assert each["apiVersion"] == VERSIONS[each["kind"]]
        assert re.fullmatch(r"[a-z0-9-]+", each["metadata"]["name"])
        if each["kind"] in FIELDS:
            _check(each["kind"], each["spec"])
    cluster = BY_NAME["RayCluster", "har-fleet"]["spec"]
    _check("head", cluster["headGroupSpec"])
    for group in cluster["workerGroupSpecs"]:
        _check("worker", group)
    for _, pod in _pods():
        _check("pod", pod)
    for _, _, container in _containers():
        _check("container", container)
        assert container["image"] == "har-fleet:1.0.0"
    for params in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(each, str) for each in params["rayStartParams"].values())


def test_machines_and_rays_version_are_those_of_the_settings_and_the_lock() -> None:
    cluster = BY_NAME["RayCluster", "har-fleet"]["spec"]
    machines = {
        resource: group["groupName"]
        for group in cluster["workerGroupSpecs"]
        # KubeRay writes it into a shell's command line.
        for resource in json.loads(shlex.split(group["rayStartParams"]["resources"])[0])
    }
    assert machines == {f"machine:{name}": name for name in FLEET.machines}
    assert f"ray=={cluster['rayVersion']} " in (ROOT / "locks" / "dev-headless.txt").read_text()


def test_what_is_mounted_and_read_is_there() -> None:
    named = {name for kind, name in BY_NAME if kind in ("ConfigMap", "Secret")}
    named.add("har-fleet-plan")  # made of files, as settings.yaml says
    for name, pod, container in _containers():
        volumes = {each["name"]: each for each in pod.get("volumes", ())}
        mounts = container.get("volumeMounts", ())
        assert {each["name"] for each in mounts} <= volumes.keys(), name
        for each in volumes.values():
            source = each.get("secret", {}).get("secretName") or each.get("configMap", {}).get(
                "name"
            )
            assert source in named or "emptyDir" in each
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                ref = variable["valueFrom"]["secretKeyRef"]
                assert ref["key"] in BY_NAME["Secret", ref["name"]]["stringData"]
    (fleet,) = [each for name, _, each in _containers() if name == each["name"] == "har-fleet"]
    places = [each["mountPath"] for each in fleet["volumeMounts"]]
    assert FLEET.broker.tls is not None
    assert FLEET.broker.tls.ca_file is not None
    for path in (FLEET.plan, FLEET.cameras_csv, FLEET.logins, FLEET.broker.tls.ca_file):
        assert any(Path(place) in Path(str(path)).parents for place in places), path
    assert FLEET.database_roles


def test_nothing_runs_as_root_or_may_become_it() -> None:
    for _, pod, container in _containers():
        assert pod["automountServiceAccountToken"] is False
        rights = container["securityContext"]
        assert rights["runAsNonRoot"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_what_is_started_exists() -> None:
    (text,) = BY_NAME["Deployment", "har-fleet"]["spec"]["template"]["spec"]["containers"][0][
        "args"
    ]
    ray, fleet = (shlex.split(part) for part in text.split("&& exec"))
    options = make_parser().parse_args(fleet[1:])
    assert (fleet[0], options.command, options.address) == ("har-fleet", "run", "auto")
    found = importlib.util.find_spec("ray")  # its import would take seconds
    if found is None or found.origin is None:
        pytest.skip("no ray here: pip install 'har-stream[fleet]'")
    source = (Path(found.origin).parent / "scripts" / "scripts.py").read_text()
    cluster = BY_NAME["RayCluster", "har-fleet"]["spec"]
    params = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    asked = {f"--{name}" for each in params for name in each["rayStartParams"]}
    for option in asked | {each.split("=")[0] for each in ray[2:]}:
        assert f'"{option}"' in source, option
    service = ray[2].removeprefix("--address=")
    assert service == "har-fleet-head-svc:6379", "as KubeRay calls it"


def test_the_image_is_linted_and_copies_what_is_there() -> None:
    path = FOLDER / "Containerfile"
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    linted = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stdout
    for line in path.read_text().splitlines():
        if line.startswith("COPY "):
            assert all((ROOT / source).exists() for source in line.split()[1:-1])


def test_the_script_makes_certificates_that_its_authority_signed(tmp_path: Path) -> None:
    script = ROOT / "docs" / "deploy" / "fleet" / "certificates.sh"
    for machines in (["m1=10.1.0.11"], ["m1=10.1.0.11", "m2=10.1.0.12"]):
        subprocess.run(["sh", script, tmp_path / "ca", *machines], check=True, capture_output=True)
    certificates = [str(tmp_path / "ca" / f"m{n}.crt") for n in (1, 2)]
    verify = ["openssl", "verify", "-CAfile", str(tmp_path / "ca" / "ca.crt")]
    subprocess.run([*verify, *certificates], check=True, capture_output=True)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "ca").iterdir()} == {0}
    without = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    assert (without.returncode, "MACHINE=ADDRESS" in without.stderr) == (2, True)

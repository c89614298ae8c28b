"""The chart of Helm, rendered by Helm and held against the schemas of Kubernetes; and the file of compose."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jikko.setting_sources import read_settings
from tests.deploy.chart import CHART
from tests.deploy.tools import program
from tests.page_blocks import ROOT, blocks

pytestmark = [pytest.mark.services, pytest.mark.once]

DEPLOY = Path(__file__).parents[2] / "deploy"
VERSIONS = ["1.32.0", "1.35.0", "1.37.0"]
"""Of Kubernetes: the oldest that is looked after somewhere, the newest, and one between them."""
ALL = {
    "settings": {
        "http_allow": ["10.0.0.0/8", "::1/128"],
        "max_body": 15728640,
        "app_share": 0.75,
        "console": False,
        "public_url": "https://a.example/実行",
        "shutdown_seconds": 45.5,
    },
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "existingSecret": "keys",
    "filesSecret": "files",
    "extraEnv": [{"name": "TZ", "value": "Asia/Tokyo"}],
    "persistence": {"storageClass": "fast", "accessMode": "ReadWriteOnce", "size": "5Ti"},
    "ingress": {
        "enabled": True,
        "host": "a.example",
        "className": "nginx",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    },
    "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "enabled": True,
        "apiFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
        "metricsFrom": [{"podSelector": {}}],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "postgres"}}}], "ports": [{"port": 5432}]}],
    },
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "flows"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}


class Helm:
    """Renders the chart."""

    def __init__(self) -> None:
        command = [program("python"), str(CHART.parents[2] / "tests" / "deploy" / "chart.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def looked_at(self, **values: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"values": values, "versions": VERSIONS}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def rendered(self, **values: Any) -> dict[str, Any]:
        """By kind and name, what comes out and is right for each version of Kubernetes."""
        found = self.looked_at(**values)
        assert (found["refused"], found["wrong"]) == ("", [])
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in found["objects"]}

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    made = Helm()
    yield made
    made.close()


def pod(objects: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["StatefulSet/demo-jikko"]["spec"]["template"]["spec"]
    return spec


def test_as_it_is_it_is_one_server_on_one_volume_that_may_do_nothing_else(helm: Helm) -> None:
    objects = helm.rendered()

    assert objects.keys() == {"StatefulSet/demo-jikko", "Service/demo-jikko", "Service/demo-jikko-metrics"}
    spec = pod(objects)
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


@pytest.mark.parametrize("changed", [{}, ALL], ids=["as it is", "all of it"])
def test_what_is_selected_is_there(helm: Helm, changed: dict[str, Any]) -> None:
    objects = helm.rendered(**changed)

    labels = objects["StatefulSet/demo-jikko"]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in pod(objects)["containers"][0]["ports"]}
    for name, each in objects.items():
        if name.startswith("Service/"):
            assert each["spec"]["selector"].items() <= labels.items(), name
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports, name
    assert objects["StatefulSet/demo-jikko"]["spec"]["serviceName"] in {
        each["metadata"]["name"] for name, each in objects.items() if name.startswith("Service/")
    }


def test_settings_become_variables_as_the_server_reads_them(helm: Helm) -> None:
    container = pod(helm.rendered(**ALL))["containers"][0]
    variables = {each["name"]: each["value"] for each in container["env"]}

    settings = read_settings({**variables, "JIKKO_HOME": "/nowhere"})

    assert settings.http_allow == ("10.0.0.0/8", "::1/128")
    assert (settings.max_body, settings.app_share, settings.console) == (15728640, 0.75, False)
    assert (settings.public_url, settings.shutdown_seconds) == ("https://a.example/実行", 45.5)
    assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8000, 9090)


def test_it_has_more_time_to_stop_than_its_runs_have(helm: Helm) -> None:
    for seconds in (0.5, 30, 600):
        spec = pod(helm.rendered(settings={"shutdown_seconds": seconds}))
        assert spec["terminationGracePeriodSeconds"] > 2 * seconds + 5


CLUSTER = {"mode": "cluster", "cluster": {"urlsSecret": "urls"}}


@pytest.mark.parametrize("changed", [CLUSTER, ALL | CLUSTER], ids=["as it is", "all of it"])
def test_several_servers_share_what_a_secret_names_and_go_one_by_one(helm: Helm, changed: dict[str, Any]) -> None:
    objects = helm.rendered(**changed)
    servers, budget = objects["StatefulSet/demo-jikko"]["spec"], objects["PodDisruptionBudget/demo-jikko"]["spec"]
    labels = servers["template"]["metadata"]["labels"]
    [container] = pod(objects)["containers"]
    named = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}

    assert (servers["replicas"], servers["updateStrategy"]) == (3, {"type": "RollingUpdate"})
    assert named == {
        f"JIKKO_{name.upper()}": {"name": "urls", "key": name} for name in ("database_url", "nats_url", "files_url")
    }
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"].items() <= labels.items()) == (1, True)
    assert {"name": "JIKKO_LAME_DUCK_SECONDS", "value": "5"} in container["env"]
    assert servers["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    for spread in pod(objects)["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    # Of a server alone, none of that.
    assert "PodDisruptionBudget/demo-jikko" not in helm.rendered()


def test_what_nats_asks_for_is_mounted_and_named_to_the_servers(helm: Helm) -> None:
    entries = {"credentials": "jikko.creds", "ca": "ca.crt", "certificate": "tls.crt", "certificateKey": "tls.key"}
    some = {"secret": "nats-client", "ca": "ca.crt"}
    for given in ({"secret": "nats-client", **entries}, some):
        spec = pod(helm.rendered(mode="cluster", cluster={"urlsSecret": "urls", "nats": given}))
        [container] = spec["containers"]
        variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        read = read_settings({**variables, "JIKKO_HOME": "/nowhere"})

        found = [read.nats_credentials, read.nats_ca, read.nats_certificate, read.nats_certificate_key]
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "nats"]
        [volume] = [each for each in spec["volumes"] if each["name"] == "nats"]
        assert [path and str(path) for path in found] == [
            f"{mount['mountPath']}/{name}" if entry in given else None for entry, name in entries.items()
        ]
        assert (mount["readOnly"], volume["secret"]["secretName"]) == (True, "nats-client")
        # Of others than the group of the server, nobody reads them.
        assert volume["secret"]["defaultMode"] & 0o007 == 0
    assert "nats" not in {each["name"] for each in pod(helm.rendered(**CLUSTER))["volumes"]}


def test_several_servers_are_kept_apart_unless_it_is_said_otherwise(helm: Helm) -> None:
    [apart] = pod(helm.rendered(**CLUSTER))["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]

    assert apart["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert pod(helm.rendered(**ALL | CLUSTER))["affinity"] == ALL["affinity"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shutdown_seconds": 45.5, "drain_seconds": 0},
        {"drain_seconds": 600.5},
        {"lame_duck_seconds": 60.5, "drain_seconds": 0},
    ],
)
def test_several_servers_have_the_time_to_drain_that_they_are_told(helm: Helm, settings: dict[str, float]) -> None:
    spec = pod(helm.rendered(**CLUSTER, settings=settings))
    variables = {each["name"]: each["value"] for each in spec["containers"][0]["env"] if "value" in each}
    read = read_settings({**variables, "JIKKO_HOME": "/nowhere"})

    assert read.drain_seconds == settings.get("drain_seconds", 300)
    assert read.lame_duck_seconds == settings.get("lame_duck_seconds", 5)
    assert spec["terminationGracePeriodSeconds"] > read.stop_seconds + read.shutdown_seconds


def test_alerts_and_dashboard_are_those_of_deploy(helm: Helm) -> None:
    objects = helm.rendered(**ALL)

    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    assert objects["PrometheusRule/demo-jikko"]["spec"] == rules
    led = helm.rendered(metrics={"rules": {"enabled": True, "runbooks": "https://wiki.example/jikko/"}})
    for rule in led["PrometheusRule/demo-jikko"]["spec"]["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"].startswith("https://wiki.example/jikko/docs/runbook.md#")
    dashboard = objects["ConfigMap/demo-jikko-dashboard"]["data"]["jikko.json"]
    assert dashboard == (DEPLOY / "grafana" / "jikko.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": 3}, "replicas"),
        ({"settings": {"port": 9000}}, "port"),
        ({"settings": {"JIKKO_WORKERS": 2}}, "JIKKO_WORKERS"),
        ({"persistence": {"size": "big"}}, "size"),
        ({"image": {"digest": "sha256:1"}}, "digest"),
        ({"service": {"port": 70000}}, "port"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"mode": "cluster"}, "cluster.urlsSecret"),
        ({"mode": "several"}, "mode"),
        ({"cluster": {"replicas": 0}}, "replicas"),
        ({"mode": "cluster", "cluster": {"urlsSecret": "u", "nats": {"ca": "ca.crt"}}}, "cluster.nats.secret"),
        ({"mode": "cluster", "cluster": {"urlsSecret": "u", "nats": {"secret": "s", "ca": "../x"}}}, "ca"),
        (CLUSTER | {"persistence": {"existingClaim": "c"}}, "persistence.existingClaim is one volume"),
        (CLUSTER | {"settings": {"nats_url": "nats://a"}}, "settings.nats_url and nats_url of cluster.urlsSecret"),
        (
            {
                "mode": "cluster",
                "cluster": {"urlsSecret": "u", "nats": {"secret": "s", "ca": "a"}},
                "settings": {"nats_ca": "/b"},
            },
            "settings.nats_ca and cluster.nats.ca are one setting",
        ),
    ],
)
def test_values_that_mean_nothing_are_refused_and_named(helm: Helm, values: dict[str, Any], message: str) -> None:
    assert message in helm.looked_at(**values)["refused"]


@pytest.mark.parametrize("name", ["compose.yml", "compose.cluster.yml"])
def test_the_file_of_compose_is_one_and_has_the_container_locked_up(name: str) -> None:
    file = DEPLOY / name
    command = [program("check-jsonschema"), "--builtin-schema=vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    service = services["jikko"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for each in services.values() for port in each.get("ports", ()))
    assert (file.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    done = subprocess.run(
        [program("hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_values_that_the_page_of_services_sets_are_taken(helm: Helm) -> None:
    found = []
    for block in blocks("docs/service.md", "sh"):
        for command, _ in block.commands():
            words = shlex.split(command)
            if words[0] != "helm":
                continue
            assert (words[:3], (ROOT / words[3]).is_dir()) == (["helm", "install", "flows"], True)
            values: dict[str, Any] = {}
            for option, given in zip(words[4::2], words[5::2], strict=True):
                path, value = given.split("=", 1)
                *above, name = path.split(".")
                within = values
                for each in above:
                    within = within.setdefault(each, {})
                within[name] = json.loads(value) if option == "--set-json" else value
                assert option in ("--set", "--set-json")
            found.append(pod(helm.rendered(**values)))
    one, several = found
    assert one["containers"][0]["image"].startswith("registry.example/jikko")
    assert "jikko-urls" in json.dumps(several)

"""Renders the chart with Helm, and validates the result against Kubernetes schemas.

A program, run with the Python of ``tools.py``: it reads lines {"values": …, "versions": […]}, and answers each with a
line {"objects": […], "refused": …, "wrong": […]}.
"""

import json
import sys
from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "jikko"


def looked_at(values: dict[str, Any], versions: list[str]) -> dict[str, Any]:
    import kubernetes_validate
    import yaml
    from helm_python import Chart, HelmError

    try:
        with Chart.load(str(CHART)) as chart:
            rendered = chart.render(values=values, name="demo", namespace="flows")
    except HelmError as error:
        return {"objects": [], "refused": str(error), "wrong": []}
    texts = [text for name, text in rendered.items() if name.endswith(".yaml")]
    objects = [each for text in texts for each in yaml.safe_load_all(text) if each]
    wrong = []
    for each in objects:
        if each["apiVersion"].startswith("monitoring.coreos.com/"):
            continue  # defined by another program
        for version in versions:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.InvalidSchemaError) as error:
                wrong.append(f"{each['kind']}, {version}: {error}")
    return {"objects": objects, "refused": "", "wrong": wrong}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(looked_at(**json.loads(line))), flush=True)

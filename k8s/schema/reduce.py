#!/usr/bin/env python3
"""Reduces Kubernetes' OpenAPI (v2, api/openapi-spec/swagger.json of its repository) to what our kinds need.

    python3 k8s/schema/reduce.py swagger.json 1.36 > k8s/schema/kubernetes.json

Descriptions are left out; types, required fields, enumerations and merge keys stay as they are.
"""

import json
import sys

KINDS = [
    "apps.v1.Deployment",
    "apps.v1.StatefulSet",
    "autoscaling.v2.HorizontalPodAutoscaler",
    "batch.v1.CronJob",
    "batch.v1.Job",
    "core.v1.ConfigMap",
    "core.v1.Namespace",
    "core.v1.PersistentVolumeClaim",
    "core.v1.Service",
    "core.v1.ServiceAccount",
    "networking.v1.NetworkPolicy",
    "policy.v1.PodDisruptionBudget",
]


def bare(node):
    if isinstance(node, dict):
        return {key: bare(value) for key, value in node.items() if not (key == "description" and isinstance(value, str))}
    return [bare(item) for item in node] if isinstance(node, list) else node


def main(source, version):
    with open(source, encoding="utf-8") as file:
        definitions = json.load(file)["definitions"]
    kept = {}

    def keep(name):
        if name in kept:
            return
        kept[name] = bare(definitions[name])

        def walk(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    keep(node["$ref"].rsplit("/", 1)[1])
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for item in node:
                    walk(item)

        walk(kept[name])

    for kind in KINDS:
        keep("io.k8s.api." + kind)
    kept["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]  # every kind has it; a KeyError tells of another layout
    document = {
        "origin": f"the OpenAPI definitions of Kubernetes {version}, reduced by k8s/schema/reduce.py",
        "licence": "Apache-2.0, The Kubernetes Authors",
        "version": version,
        "definitions": dict(sorted(kept.items())),
    }
    # One definition a line, so that a newer version is a readable difference.
    head = {key: value for key, value in document.items() if key != "definitions"}
    lines = [f"{json.dumps(name)}:{json.dumps(body, separators=(',', ':'))}" for name, body in document["definitions"].items()]
    print(json.dumps(head)[:-1] + ', "definitions": {\n' + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])

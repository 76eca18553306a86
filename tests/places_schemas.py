"""What Kaggle and the chart zero-to-jupyterhub take, as JSON Schemas: statements of ours, with their sources."""

SLUG = "[A-Za-z0-9][A-Za-z0-9_-]*"

# github.com/Kaggle/kaggle-cli, docs/kernels_metadata.md, and what kernels_push() of kaggle 2.2.4 refuses.
KERNEL_METADATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "title", "code_file", "language", "kernel_type"],
    "properties": {
        "id": {"type": "string", "pattern": f"^{SLUG}/[a-z0-9]+(-[a-z0-9]+)*$"},
        "title": {"type": "string", "minLength": 5, "maxLength": 50},
        "code_file": {"type": "string", "pattern": r"^[\w.-]+\.ipynb$"},
        "language": {"enum": ["python", "r", "rmarkdown"]},
        "kernel_type": {"enum": ["script", "notebook"]},
        "is_private": {"type": "boolean"},
        "enable_gpu": {"type": "boolean"},
        "enable_internet": {"type": "boolean"},
        "machine_shape": {"enum": ["NvidiaTeslaT4", "NvidiaL4X1"]},
        "dataset_sources": {"type": "array", "items": {"type": "string", "pattern": f"^{SLUG}/{SLUG}$"}},
        "competition_sources": {"type": "array", "items": {"type": "string", "pattern": f"^{SLUG}$"}},
        "kernel_sources": {"type": "array", "items": {"type": "string"}},
        "model_sources": {"type": "array", "items": {"type": "string"}},
    },
}

# github.com/jupyterhub/zero-to-jupyterhub-k8s at 48ea50e, jupyterhub/values.schema.yaml; the overrides are traits of
# KubeSpawner 7.1.0, as spawner.py names and types them.
_MEMORY = {"type": "string", "pattern": r"^\d+(\.\d+)?[KMGT]$"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
HUB_VALUES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["singleuser"],
    "properties": {
        "singleuser": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "storage": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "extraVolumes": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                        "extraVolumeMounts": {
                            "type": "array",
                            "items": {"type": "object", "required": ["name", "mountPath"]},
                        },
                    },
                },
                "profileList": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["display_name"],
                        "properties": {
                            "display_name": {"type": "string", "minLength": 1},
                            "slug": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                            "description": {"type": "string"},
                            "default": {"type": "boolean"},
                            "kubespawner_override": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "image": {"type": "string"},
                                    "cpu_guarantee": {"type": "number", "exclusiveMinimum": 0},
                                    "cpu_limit": {"type": "number", "exclusiveMinimum": 0},
                                    "mem_guarantee": _MEMORY,
                                    "mem_limit": _MEMORY,
                                    "environment": _TEXTS,
                                    "extra_resource_limits": _TEXTS,
                                    "node_selector": _TEXTS,
                                    "tolerations": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "additionalProperties": False,
                                            "required": ["key", "operator", "effect"],
                                            "properties": {
                                                "key": {"type": "string"},
                                                "operator": {"enum": ["Equal", "Exists"]},
                                                "value": {"type": "string"},
                                                "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}

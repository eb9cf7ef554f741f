"""
Which workload a pod belongs to, as kube-state-metrics says where a Prometheus has its series.

``kube_pod_owner`` names a pod's owner. A ReplicaSet stands for its Deployment only where ``kube_replicaset_owner`` says
so; nothing is cut off a name on a guess, since other controllers make ReplicaSets too. A pod whose owner is not known
stands for itself. Left out: several clusters in one store, where one name in one namespace is two pods.
"""

from collections.abc import Sequence

import polars as pl

from policy.frames import conform, empty, schema
from policy.usage.sources.promql import quoted
from policy.usage.sources.query import Api, samples_frame
from policy.usage.sources.span import Span

OWNERS = schema(
    {
        "workload_namespace": pl.String,
        "workload_pod": pl.String,
        "workload_kind": pl.String,
        "workload_name": pl.String,
    }
)
POD, REPLICA_SET = "kube_pod_owner", "kube_replicaset_owner"
NAMESPACES_AT_ONCE = 50
NOBODY = "<none>"  # kube-state-metrics' word for no owner
OWNER = ("owner_kind", "owner_name")
POD_KEY = ("namespace", "pod")
REPLICA_SET_KEY = ("namespace", "replicaset")


def read_owners(api: Api, span: Span, namespaces: Sequence[str]) -> pl.DataFrame:
    """The newest owner of every pod of these namespaces, schema OWNERS. Raises PrometheusError."""
    found = [
        _owners(api, portion, namespaces[first : first + NAMESPACES_AT_ONCE])
        for portion in span.portions()
        for first in range(0, len(namespaces), NAMESPACES_AT_ONCE)
    ]
    newest = pl.concat([empty(OWNERS), *found]).unique(
        ("workload_namespace", "workload_pod"), keep="last", maintain_order=True
    )
    return conform(newest, OWNERS, "owners")


def _owners(api: Api, portion: Span, namespaces: Sequence[str]) -> pl.DataFrame:
    pods = _owned(api, portion, POD, POD_KEY, namespaces)
    sets = _owned(api, portion, REPLICA_SET, REPLICA_SET_KEY, namespaces).select(
        namespace="namespace", owner_name="replicaset", kind="owner_kind", name="owner_name"
    )
    is_set = pl.col("owner_kind") == "ReplicaSet"
    rows = pods.join(sets, on=("namespace", "owner_name"), how="left").select(
        workload_namespace="namespace",
        workload_pod="pod",
        workload_kind=pl.when(is_set).then(pl.coalesce("kind", "owner_kind")).otherwise("owner_kind"),
        workload_name=pl.when(is_set).then(pl.coalesce("name", "owner_name")).otherwise("owner_name"),
    )
    return rows.sort(OWNERS.names())


def _owned(api: Api, portion: Span, metric: str, key: tuple[str, ...], namespaces: Sequence[str]) -> pl.DataFrame:
    """Who owns what: the key and OWNER, one row for each key, by their own labels or by those a scrape renamed."""
    labels = (*key, *OWNER, *(f"exported_{name}" for name in key))
    length = portion.end_ms - portion.begin_ms
    asked = " or ".join(
        f"max by ({', '.join(labels)}) (max_over_time({metric}"
        f'{{{label}=~{quoted(namespaces)}, owner_is_controller!="false"}}[{length}ms]))'
        for label in ("namespace", "exported_namespace")
    )
    rows = samples_frame(api.at(asked, portion.end_ms), labels)
    rows = rows.with_columns(pl.coalesce(f"exported_{name}", name).alias(name) for name in key)
    real = rows.filter(pl.all_horizontal(pl.col(each).is_not_null() & (pl.col(each) != NOBODY) for each in OWNER))
    return real.sort(*key, *OWNER).unique(key, keep="last", maintain_order=True).select(*key, *OWNER)

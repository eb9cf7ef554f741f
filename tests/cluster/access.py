"""What the API server allows to whom: its own answer to whoever holds a token."""

import json
from pathlib import Path

from cluster.control_plane import SERVER, ControlPlane

GROUPS = {
    "clusterroles": "rbac.authorization.k8s.io",
    "tokenreviews": "authentication.k8s.io",
    "daemonsets": "apps",
}
"""Of resources that are not of the core group."""
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Access:
    """What a token may do."""

    def __init__(self, plane: ControlPlane, name: str, token: str) -> None:
        self._plane = plane
        self._kubeconfig: Path = plane.authority.kubeconfig_of_token(name, SERVER, token)

    def may(self, verb: str, what: str, namespace: str = "") -> bool:
        """Whether it may do this to a resource (``pods/log`` is a part of one) in a namespace, or in all of them."""
        resource, _, below = what.partition("/")
        asked = {
            "verb": verb, "group": GROUPS.get(resource, ""), "resource": resource, "subresource": below,
            "namespace": namespace,
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }  # fmt: skip
        create = ("create", "--raw", REVIEWS, "-f", "-")
        answer = self._plane.kubectl(*create, text=json.dumps(review), kubeconfig=self._kubeconfig)
        return bool(json.loads(answer)["status"]["allowed"])

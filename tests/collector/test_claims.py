from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.pods.claims import ADAPTERS, DEFAULT_ADAPTERS, TENANT_LABEL, UnknownAdapter, adapters_named, tenant_claim
from collector.pods.site_key import read_site_key
from collector.readings import Absent, Why

KEY = b"k" * 32
NO_KEY = Absent(Why.NO_SITE_KEY)
CAPSULE = "capsule.clastix.io/tenant"
RANCHER = "field.cattle.io/projectId"
ALL = tuple(ADAPTERS)


def claim(
    labels: dict[str, str], *names: str, key: bytes | Absent = KEY, default: tuple[str, ...] = DEFAULT_ADAPTERS
) -> str | Absent:
    """What a namespace with these labels claims, by these adapters."""
    return tenant_claim(labels, adapters_named(names or default), key)


def test_our_own_label_is_an_opaque_id() -> None:
    """The value of our label leaves the node as it is, with a site key and without."""
    assert claim({TENANT_LABEL: "t-0001"}) == claim({TENANT_LABEL: "t-0001"}, key=NO_KEY) == "t-0001"


@pytest.mark.parametrize("labels", [{}, {"team": "a"}, {TENANT_LABEL: ""}, {CAPSULE: "oil"}])
def test_no_label_is_no_claim(labels: dict[str, str]) -> None:
    """Without a label of an adapter in use there is no claim."""
    assert claim(labels) == Absent(Why.NOT_CLAIMED)


def test_a_name_leaves_the_node_as_a_digest_only() -> None:
    """A Capsule tenant, which is a name, becomes a digest that says that it is one and depends on key and product."""
    digest = claim({CAPSULE: "oil"}, "capsule")
    assert isinstance(digest, str)
    assert (digest[:5], len(digest), "oil" in digest) == ("hmac-", 37, False)
    assert digest == claim({CAPSULE: "oil"}, "capsule")
    others = [
        claim({CAPSULE: "oil"}, "capsule", key=b"another" * 5),
        claim({CAPSULE: "gas"}, "capsule"),
        claim({RANCHER: "oil"}, "rancher"),
    ]
    assert len({digest, *others}) == 4


def test_the_digest_can_be_made_elsewhere() -> None:
    """The digest is HMAC-SHA256 of adapter, newline and name, cut to 32 digits, as openssl makes it too."""
    # printf 'capsule\noil' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
    assert claim({CAPSULE: "oil"}, "capsule") == "hmac-6a0bb7104ac801c33af8ff2d9fb3bafe"


def test_a_name_without_a_key_is_absent() -> None:
    """Without the site's key a name stays on the node, and the claim says why."""
    assert claim({CAPSULE: "oil"}, "capsule", key=NO_KEY) == NO_KEY


def test_a_generated_project_is_opaque_and_a_chosen_one_is_a_name() -> None:
    """Rancher's generated project ids stay; ids that people chose become digests."""
    assert claim({RANCHER: "p-gvv8n"}, "rancher") == "p-gvv8n"
    assert str(claim({RANCHER: "p-acme"}, "rancher")).startswith("hmac-")
    assert str(claim({RANCHER: "p-alpha"}, "rancher")).startswith("hmac-")


def test_a_virtual_cluster_needs_its_namespace() -> None:
    """Two virtual clusters of one name in two namespaces are two tenants; half of the labels claims nothing."""
    name, namespace = "vcluster.loft.sh/vcluster-name", "vcluster.loft.sh/vcluster-namespace"
    one = claim({name: "dev", namespace: "a"}, "vcluster")
    other = claim({name: "dev", namespace: "b"}, "vcluster")
    assert len({one, other}) == 2
    assert claim({name: "dev"}, "vcluster") == Absent(Why.NOT_CLAIMED)


def test_two_answers_are_a_conflict() -> None:
    """Adapters that name different tenants for one namespace make the claim absent, whatever their order."""
    labels = {TENANT_LABEL: "t-0001", CAPSULE: "oil"}
    assert claim(labels, "flopwatch", "capsule") == claim(labels, "capsule", "flopwatch") == Absent(Why.TENANT_CONFLICT)


def test_the_first_of_those_that_agree_decides_the_form() -> None:
    """Where adapters agree the first says whether the value is an id or a name."""
    labels = {TENANT_LABEL: "t-0001", CAPSULE: "t-0001"}
    assert claim(labels, "flopwatch", "capsule") == "t-0001"
    assert str(claim(labels, "capsule", "flopwatch")).startswith("hmac-")


@pytest.mark.parametrize("value", ["a b", "-a", "a/b", "ä", "a\n", "x" * 64, "hmac-0123", "a\x00"])
def test_what_no_label_can_be_is_invalid(value: str) -> None:
    """A value that breaks the rules for labels, or looks like one of our digests, is no claim."""
    assert claim({TENANT_LABEL: value}) == Absent(Why.TENANT_INVALID)


@given(st.dictionaries(st.sampled_from([label for each in ADAPTERS.values() for label in each.labels]), st.text()))
def test_every_claim_is_a_label_value(labels: dict[str, str]) -> None:
    """Whatever the labels, a claim is absent or at most 63 harmless characters, and no name is in it."""
    found = claim(labels, *ALL)
    if isinstance(found, str):
        assert len(found) <= 63
        assert found.replace("-", "").replace("_", "").replace(".", "").isascii()
        assert found.startswith("hmac-") or found in {labels.get(TENANT_LABEL), labels.get(RANCHER)}


def test_an_unknown_adapter_is_refused() -> None:
    """A name that is no adapter's is refused with those that are."""
    with pytest.raises(UnknownAdapter, match=r"'capsul' is not known; there are flopwatch, capsule"):
        adapters_named(["capsul"])


def test_an_adapter_named_twice_counts_once() -> None:
    """Naming an adapter twice changes nothing."""
    assert adapters_named(["capsule", "capsule"]) == adapters_named(["capsule"])


def test_the_site_key_is_the_files_content(tmp_path: Path) -> None:
    """The key is what the file has, without the newline at the end."""
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    assert read_site_key(path) == KEY


def test_a_short_or_missing_site_key_is_refused(tmp_path: Path) -> None:
    """A key that is too short or cannot be read is refused with what to do, and is not repeated."""
    path = tmp_path / "key"
    with pytest.raises(ValueError, match="cannot be read"):
        read_site_key(path)
    path.write_bytes(b"secret\n")
    with pytest.raises(ValueError, match=r"has 6 bytes and needs 32; make one with 'openssl rand -hex 32'") as refused:
        read_site_key(path)
    assert "secret" not in str(refused.value)

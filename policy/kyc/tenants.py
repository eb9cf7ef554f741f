"""
The provider's know-your-customer file on its own, without a store: one row for each tenant, loaded whole or not at all.

:mod:`policy.kyc.importing.accounts` says what is in it. What a file says counts as known from the beginning; who wants
to know what was known when keeps a store (:mod:`policy.kyc.store.store`).
"""

import hashlib
from pathlib import Path

from policy.kyc.importing.accounts import TENANTS, read_accounts
from policy.kyc.importing.problems import bytes_of
from policy.kyc.statements import Directory, frame_of

__all__ = ["TENANTS", "read_tenants"]


def read_tenants(path: Path) -> Directory:
    """
    Read a file in UTF-8, CSV or JSON Lines; the digest is of its bytes.

    Raises :class:`KycError` with every problem that it has.
    """
    content = bytes_of(path)
    statements = dict.fromkeys(read_accounts(path.name, content).whole(path))  # rows may say the same of one parent
    return Directory(frame=frame_of(statements), digest=hashlib.sha256(content).hexdigest())

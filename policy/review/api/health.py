"""Whether the process answers. Open to all, and says nothing about tickets."""

from fastapi import APIRouter

PATH = "/healthz"

router = APIRouter()


@router.get(PATH)
def health() -> dict[str, str]:
    """Always the same answer."""
    return {"status": "ok"}

"""The review API over HTTP. The only place that knows FastAPI, Starlette and uvicorn."""

from policy.review.api.app import create_app
from policy.review.api.serve import serve

__all__ = ["create_app", "serve"]

"""Answers as OpenAI's clients read them."""

from __future__ import annotations

from starlette.responses import JSONResponse

from storymem_server.errors import ApiError


def error_answer(error: ApiError) -> JSONResponse:
    """Return an error as JSON."""
    headers = {} if error.after is None else {"Retry-After": str(error.after)}
    body = {"message": str(error), "type": "invalid_request_error", "param": None, "code": error.code}
    return JSONResponse({"error": body}, error.status, headers)

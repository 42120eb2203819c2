"""HTTP: hooks into the inbox, answers from the lookup table, health. One bare ASGI application on uvicorn."""

from preverify.serve.run import check_answers, run_answers

__all__ = ["check_answers", "run_answers"]

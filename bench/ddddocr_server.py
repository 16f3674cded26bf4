"""ddddocr over HTTP as people serve it: FastAPI, one engine a process, base64 in JSON.

It runs under the Python that has both, so it imports nothing of Loupette. The endpoint is no
coroutine: FastAPI calls it in a thread, so that requests do not stand still while one is read.
"""

from base64 import b64decode

import ddddocr  # type: ignore[import-not-found]  # in the peers' environment only
from fastapi import FastAPI  # type: ignore[import-not-found]  # there too
from pydantic import BaseModel  # type: ignore[import-not-found]  # there too

app = FastAPI()
engine = ddddocr.DdddOcr(show_ad=False)


class Challenge(BaseModel):  # type: ignore[misc]  # of a class without types here
    """One picture."""

    image: str


@app.post("/ocr")  # type: ignore[untyped-decorator]  # of a package without types here
def ocr(challenge: Challenge) -> dict[str, str]:
    """Read it."""
    return {"result": engine.classification(b64decode(challenge.image))}


@app.get("/livez")  # type: ignore[untyped-decorator]
def livez() -> dict[str, str]:
    """Say that the engine is loaded."""
    return {"status": "alive"}

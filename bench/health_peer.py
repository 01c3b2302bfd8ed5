"""The endpoint of the health measurement in FastAPI: as its first users answer it, and as quick as it gets."""

import os
import shutil
import time
from pathlib import Path

from fastapi import FastAPI

app = FastAPI()
vault, data = Path(os.environ["VAULT"]), Path(os.environ["DATA"])


@app.get("/health")
async def health() -> dict:
    """Looks at the vault, the disk and the marker for every answer, as the backend of the first users does."""
    answer = {"status": "ok", "vault": "ok" if vault.exists() else "not configured or missing"}
    free = shutil.disk_usage(data).free / 1024**3
    answer["free_disk_gb"] = round(free, 2)
    marker = data / ".sync_completed"
    hours = (time.time() - marker.stat().st_mtime) / 3600 if marker.exists() else None
    answer["last_sync_hours_ago"] = hours and round(hours, 1)
    return answer


@app.get("/known")
async def known() -> dict:
    """Nothing is looked at, all is known."""
    return {"status": "ok", "vault": "ok", "free_disk_gb": 71.1, "last_sync_hours_ago": 2.0}

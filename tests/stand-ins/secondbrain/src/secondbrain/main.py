"""The API of the first users, as it answers: 200 whatever is the matter, and a SIGTERM waits for its requests."""

import asyncio
import os
import shutil
import time
from pathlib import Path

from fastapi import FastAPI, HTTPException

from secondbrain.stores import DATA, Stores

VAULT = Path(os.environ.get("SECONDBRAIN_VAULT_PATH", ""))
app = FastAPI()
stores = Stores()


def vault():
    return VAULT if str(VAULT) != "." and VAULT.is_dir() else None


@app.get("/")
def root():
    return {"name": "SecondBrain", "version": "0.1.0", "description": "stand-in"}


@app.get("/health")
@app.get("/api/v1/health")
def health():
    body = {"status": "ok"}
    if vault() is None:
        body |= {"status": "error", "vault": "not configured or missing"}
    else:
        body["vault"] = "ok"
    body["free_disk_gb"] = round(shutil.disk_usage(DATA).free / 1024**3, 2)
    marker = DATA / ".sync_completed"
    age = (time.time() - marker.stat().st_mtime) / 3600 if marker.exists() else None
    body["last_sync_hours_ago"] = None if age is None else round(age, 1)
    if age is not None and age > 25:
        body["sync"] = "stale"
    return body


@app.get("/api/v1/tasks")
def tasks():
    if vault() is None:
        raise HTTPException(503, "Vault path not configured or not found")
    return []


@app.get("/api/v1/index/stats")
def stats():
    return {
        "vector_count": stores.count("chroma/chroma.sqlite3", "embeddings"),
        "lexical_count": stores.count("lexical.db", "chunks"),
    }


@app.post("/api/v1/index")
def index():
    if vault() is None:
        raise HTTPException(400, "Vault path not configured or not found")
    done = stores.index(vault())
    return {"status": "success", "notes_processed": done, "chunks_created": done, "message": "indexed"}


@app.post("/api/v1/conversations/{title}")
def converse(title: str):
    stores.db["conversations.db"].execute("INSERT INTO conversations (title) VALUES (?)", (title,))
    return {"conversations": stores.count("conversations.db", "conversations")}


@app.get("/api/v1/conversations")
def conversations():
    return [row[0] for row in stores.db["conversations.db"].execute("SELECT title FROM conversations ORDER BY id")]


asking = 0


@app.get("/api/v1/ask")
def asked():
    return asking


@app.post("/api/v1/ask")
async def ask():
    """A model that takes its time."""
    global asking
    asking += 1
    await asyncio.sleep(3600)

"""Notes, found and captured, in plain Python: sqlite3 and FTS5 behind FastAPI, as one would write it first."""

import os
import sqlite3
import threading
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

vault, data = Path(os.environ["VAULT"]), Path(os.environ["DATA"])
local, writing = threading.local(), threading.Lock()


def db() -> sqlite3.Connection:
    """A connection for each thread of the pool."""
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(data / "peer.db")
        local.db.execute("PRAGMA journal_mode = WAL")
        local.db.execute("PRAGMA synchronous = NORMAL")
    return local.db


def put(path: str, text: str) -> None:
    title, _, body = text.partition("\n")
    db().execute("INSERT INTO notes VALUES (?, ?, ?)", (path, title.lstrip("# "), body))


db().execute("CREATE VIRTUAL TABLE notes USING fts5(path UNINDEXED, title, body, tokenize = 'unicode61 remove_diacritics 2')")
for note in vault.rglob("*.md"):
    put(str(note.relative_to(vault)), note.read_text())
db().commit()

app = FastAPI()


class Capture(BaseModel):
    text: str


@app.get("/health")
def health() -> dict:
    return {"status": "ok"}


@app.get("/api/v1/search")
def search(q: str, limit: int = 10) -> dict:
    """All the words first, then any, as brain does."""
    words = ['"' + word.replace('"', '""') + '"' for word in q.split()]
    for join in (" AND ", " OR "):
        rows = db().execute(
            "SELECT path, title, snippet(notes, 2, '**', '**', '…', 24), rank FROM notes WHERE notes MATCH ? "
            "ORDER BY rank LIMIT ?",
            (join.join(words), limit),
        ).fetchall()
        if rows:
            break
    results = [{"path": p, "title": t, "snippet": s, "score": -r} for p, t, s, r in rows]
    return {"query": q, "count": len(results), "results": results}


@app.post("/api/v1/capture", status_code=201)
def capture(kept: Capture) -> dict:
    """The note is a file, and it is in the index."""
    with writing:
        path = vault / f"{kept.text.split()[0]}.md"
        path.write_text(kept.text)
        put(path.name, kept.text)
        db().commit()
    return {"path": path.name}

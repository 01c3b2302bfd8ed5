"""Five stores in WAL mode and a Chroma directory, as the first users keep them."""

import os
import sqlite3
from pathlib import Path

DATA = Path(os.environ.get("SECONDBRAIN_DATA_PATH", "data"))

SCHEMAS = {
    "conversations.db": "CREATE TABLE IF NOT EXISTS conversations (id INTEGER PRIMARY KEY, title TEXT, updated_at TEXT)",
    "usage.db": "CREATE TABLE IF NOT EXISTS llm_usage (id INTEGER PRIMARY KEY, timestamp TEXT, cost_usd REAL)",
    "metadata.db": "CREATE TABLE IF NOT EXISTS note_metadata (path TEXT PRIMARY KEY, summary TEXT)",
    "lexical.db": "CREATE TABLE IF NOT EXISTS chunks (chunk_id TEXT PRIMARY KEY, chunk_text TEXT)",
    "index_tracker.db": "CREATE TABLE IF NOT EXISTS indexed_files (file_path TEXT PRIMARY KEY, chunk_count INTEGER)",
    "chroma/chroma.sqlite3": "CREATE TABLE IF NOT EXISTS embeddings (id INTEGER PRIMARY KEY, embedding_id TEXT)",
}


def connect(name):
    """A connection that stays open: its rows are in the -wal until it is closed, and after a SIGTERM too."""
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA busy_timeout=5000")
    db.execute("PRAGMA wal_autocheckpoint=1000")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(SCHEMAS[name])
    return db


class Stores:
    def __init__(self):
        self.db = {name: connect(name) for name in SCHEMAS}

    def count(self, name, table):
        return self.db[name].execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def index(self, vault):
        """Empties the index and builds it note by note: a kill in between leaves it partial."""
        lexical, tracker, vectors = (self.db[n] for n in ("lexical.db", "index_tracker.db", "chroma/chroma.sqlite3"))
        for db, table in ((lexical, "chunks"), (tracker, "indexed_files"), (vectors, "embeddings")):
            db.execute(f"DELETE FROM {table}")
        notes = sorted(vault.rglob("*.md"))
        for number, note in enumerate(notes):
            lexical.execute("INSERT INTO chunks VALUES (?, ?)", (str(number), note.read_text()))
            tracker.execute("INSERT INTO indexed_files VALUES (?, 1)", (str(note),))
            vectors.execute("INSERT INTO embeddings (embedding_id) VALUES (?)", (str(number),))
        return len(notes)

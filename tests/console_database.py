"""A PostgreSQL for one test run: DATABASE_URL_TEST if it is set, else one of our own where its binaries are installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

UNAVAILABLE = "no PostgreSQL: set DATABASE_URL_TEST, or put `postgres` and `initdb` on the PATH"


def available() -> bool:
    return bool(os.environ.get("DATABASE_URL_TEST")) or (shutil.which("initdb") is not None and _user() is not None)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """URL of a server in which databases may be made."""
    given = os.environ.get("DATABASE_URL_TEST")
    if given:
        yield given
        return
    home = Path(tempfile.mkdtemp(prefix="hub-pg-"))
    user = _user()
    assert user is not None
    try:
        shutil.chown(home, user=user)
        with _running(home, user) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def database(server_url: str) -> Iterator[str]:
    """URL of an empty database of its own."""
    url = sa.make_url(server_url).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"t{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def empty(url: str) -> None:
    """Drop all tables of a database."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


@contextlib.contextmanager
def _running(home: Path, user: str) -> Iterator[str]:
    """PostgreSQL listens on a socket in `home` alone, so no port is taken."""
    run = {"user": user, "cwd": home, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    made = subprocess.run(["initdb", "-D", home / "data", "-U", "test", "--auth=trust", "-N"], check=False, **run)
    assert made.returncode == 0, made.stdout.decode()
    settings = ("listen_addresses=", f"unix_socket_directories={home}", "fsync=off", "shared_buffers=32MB")
    process = subprocess.Popen(["postgres", "-D", home / "data", *(w for s in settings for w in ("-c", s))], **run)
    url = f"postgresql://test@/postgres?host={home}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, process.communicate()[0].decode()
        try:
            engine.connect().close()
            break
        except sa.exc.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not answer within 30 s"
            time.sleep(0.05)
    engine.dispose()


def _user() -> str | None:
    """Who it runs as: it refuses to be root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return None

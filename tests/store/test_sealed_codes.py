"""Secrets of one-time codes that were kept in the clear are encrypted by the upgrade."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from dialer.store.database import Database, StoreError, connect
from dialer.store.migrate import alembic_config, upgrade_database
from dialer.store.sealing import unsealed
from dialer.store.sitekey import KEY_FILE

_OLD, _THIS = "0014", "0015"
_SECRETS = {"ada": "JBSWY3DPEHPK3PXP", "bob": ""}
_USER = """
    INSERT INTO users (name, title, roles, password, one_time, totp, totp_step, phone, pbx,
        break_reasons, from_file, file_hash, disabled, epoch, created_ms, changed_ms)
    VALUES (:name, '', '[]', '', false, :totp, 0, '', '', '[]', false, '', false, 0, 1, 1)
"""


async def _to(database: Database, revision: str, *, down: bool = False) -> None:
    def work(connection: sa.Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)

    await database.write(work)


async def _kept(database: Database) -> dict[str, str]:
    query = sa.text("SELECT name, totp FROM users")
    return {row.name: row.totp for row in await database.read(lambda c: c.execute(query).all())}


async def test_they_are_encrypted_and_ask_for_the_key(
    bare_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await connect(bare_url)
    try:
        await _to(database, _OLD)
        for name, totp in _SECRETS.items():
            row = {"name": name, "totp": totp}
            await database.write(lambda c, row=row: c.execute(sa.text(_USER), row))
        with pytest.raises(StoreError, match=f"openssl.*{KEY_FILE}"):
            await upgrade_database(database)
        assert await _kept(database) == _SECRETS, "an upgrade that fails changes nothing"

        path = tmp_path / "site.key"
        path.write_text("k" * 40)
        monkeypatch.setenv(KEY_FILE, str(path))
        await _to(database, _THIS)
        kept = await _kept(database)
        assert kept["bob"] == ""
        assert _SECRETS["ada"] not in kept["ada"]
        assert unsealed(kept["ada"]) == _SECRETS["ada"]
        await _to(database, _OLD, down=True)
        assert await _kept(database) == _SECRETS
    finally:
        await database.close()

"""The embedded provider, put together from its parts."""

from __future__ import annotations

from datetime import timedelta

from chassis.mongo import Database
from gateway.accounts.commands import Identity
from gateway.accounts.devices import Devices
from gateway.accounts.ended import EndedSessions
from gateway.accounts.keys import SigningKeys
from gateway.accounts.passwords import Passwords
from gateway.accounts.sessions import Sessions
from gateway.accounts.standing import Standings
from gateway.accounts.store import Accounts
from gateway.accounts.throttle import Allowance, Throttle
from gateway.accounts.tokens import Tokens
from gateway.accounts.verifier import OwnVerifier
from gateway.days import Days
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream

READERS_LAG = timedelta(minutes=1)
"""How long a replaced key stays published after its last token has expired."""


class Embedded:
    """The provider of one gateway. `customers` is asked who a person is today."""

    def __init__(self, settings: GatewaySettings, database: Database, customers: Upstream, days: Days) -> None:
        self._settings = settings
        self._passwords = Passwords()
        life = timedelta(minutes=settings.access_minutes)
        self.keys = SigningKeys(database, published_for=life + READERS_LAG)
        tokens = Tokens(self.keys, settings.issuer, settings.audience, life)
        self._accounts = Accounts(database)
        self.ended = EndedSessions(database, life)
        self._sessions = Sessions(database, timedelta(days=settings.refresh_days), self.ended)
        self._throttle = Throttle(
            database,
            Allowance(
                settings.login_failures, settings.address_failures, timedelta(minutes=settings.login_window_minutes)
            ),
        )
        self._devices = Devices(database)
        self.identity = Identity(
            self._accounts,
            self._passwords,
            self._sessions,
            self._throttle,
            self._devices,
            tokens,
            Standings(customers, days, tokens),
        )
        self.verifier = OwnVerifier(self.keys, self._accounts, self.ended, settings.issuer, settings.audience)

    async def prepare(self) -> None:
        """Indexes, the first key, the first administrator."""
        for part in (self._accounts, self._sessions, self.ended, self._throttle, self._devices, self.keys):
            await part.prepare()
        password = self._settings.bootstrap_admin_password
        await self.identity.bootstrap(
            self._settings.bootstrap_admin_login, password.get_secret_value() if password else None
        )

    def close(self) -> None:
        self._passwords.close()

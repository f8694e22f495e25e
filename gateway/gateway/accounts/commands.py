"""Sign in, refresh, sign out, change: each by one function, with the refusals that it can give."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from chassis import clock
from chassis.identity import session_over
from chassis.ids import new_id
from chassis.problems import Conflict, FieldError, Forbidden, Invalid, Unauthenticated
from contracts.staff import Role
from gateway.accounts.devices import Devices
from gateway.accounts.model import ROLES_WITHOUT_PERSON, Account, normal_login, password_fault
from gateway.accounts.passwords import Passwords
from gateway.accounts.sessions import Sessions
from gateway.accounts.store import Accounts
from gateway.accounts.throttle import Throttle
from gateway.accounts.tokens import Tokens

log = structlog.get_logger(__name__)

ROLES = frozenset(Role)
Standing = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""Asks the sales organisation who a person is today; None when they are not on the roster."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a sign-in gives. expires_in: seconds for which the access token counts. device: the cookie by which the
    device is known again; a refresh gives none.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the kind of token, no secret
    device: str | None = None


class Identity:
    """The provider: its parts, and what can be done with them."""

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        sessions: Sessions,
        throttle: Throttle,
        devices: Devices,
        tokens: Tokens,
        standing: Standing,
    ) -> None:
        self.accounts = accounts
        self.passwords = passwords
        self.sessions = sessions
        self.throttle = throttle
        self.devices = devices
        self.tokens = tokens
        self._standing = standing
        self._administrators = asyncio.Lock()

    async def sign_in(self, login: str, password: str, address: str, cookie: str | None = None) -> Pair:
        """Raises Unauthenticated (the same after the same time for an unknown login), TooManyRequests, Unavailable."""
        login = normal_login(login)
        before = await self.accounts.with_login(login)
        device = await self.devices.known(cookie, before[0] if before else None)
        await self.throttle.attempt(login, address, device)
        found = await self.accounts.with_login(login)  # it may have changed while the attempt waited
        right = await self.passwords.match(found[1] if found else None, password)
        if found is None or not right or found[0].disabled:
            raise login_failed()
        account, kept = found
        await self.throttle.succeeded(login, address, device)
        if self.passwords.outdated(kept):
            await self.accounts.rehash(account.id, kept, await self.passwords.hash(password))
        session = new_id()
        access = await self._access(account, session)
        refresh = await self.sessions.start(session, account.id)
        # Whoever changed the account meanwhile has ended every session but this one, which was not there yet.
        present = await self.accounts.find(account.id)
        if present is None or _grants(present) != _grants(account):
            await self.sessions.end(refresh)
            raise login_failed()
        return replace(self._pair(access, refresh), device=await self.devices.cookie(account, device))

    async def refresh(self, token: str) -> Pair:
        """The access token is made first: were it refused after the rotation, the caller would have neither."""
        id, session = await self.sessions.of(token)
        account = await self.accounts.find(id)
        if account is None or account.disabled:
            await self.sessions.end_all(id, "disabled")
            raise session_over()
        access = await self._access(account, session)
        return self._pair(access, await self.sessions.rotate(token))

    async def sign_out(self, token: str) -> None:
        """Ends the session and its access tokens. Raises Unauthenticated where the token is none of the session's."""
        await self.sessions.end(token)

    async def change_password(self, account: str, present: str, new: str, address: str) -> None:
        """Ends every session of the account with its access tokens, this one too. A wrong present password counts as a
        failed log-in.
        """
        found, kept = await self.accounts.with_hash(account)
        await self.throttle.attempt(found.login, address)
        if not await self.passwords.match(kept, present):
            raise Invalid(
                "wrong_password", "The present password is wrong.", "当前密码错误。", field="current_password"
            )
        await self.throttle.succeeded(found.login, address)
        _check_password(new, found.login, "new_password")
        changed = found.model_copy(update={"password_changed_at": _kept_now()})
        await self.accounts.put(changed, read=found.version, password=await self.passwords.hash(new))
        await self.sessions.end_all(account, "password_changed")
        await self.throttle.forget(found.login)

    async def create(
        self,
        *,
        id: str | None,
        login: str,
        password: str,
        name: str | None,
        person: str | None,
        role: Role | None,
        rights: list[str],
    ) -> tuple[Account, bool]:
        """The account, and whether it is new: the same creation again (same id, same content) gives the first."""
        login = normal_login(login)
        _check_password(password, login, "password")
        _check_who(person, role)
        now = _kept_now()
        account = Account(
            id=id or new_id(),
            login=login,
            name=name or login,
            person=person,
            role=role,
            rights=sorted(set(rights)),
            created_at=now,
            password_changed_at=now,
        )
        try:
            await self.accounts.add(account, await self.passwords.hash(password))
        except Conflict:
            if id is None or not await self._is_repetition(account, password):
                raise
            return await self.accounts.get(account.id), False
        log.info("account_created", account=account.id, role=account.role, person=account.person)
        return account, True

    async def change(self, id: str, read: int, changes: Mapping[str, Any]) -> Account:
        """By an administrator. Its sessions end with a new password, person or role, a lost right, or when disabled."""
        async with self._administrators:  # two who disable each other must not leave nobody
            before = await self.accounts.get(id)
            password = changes.get("password")
            after = Account.model_validate(
                before.model_dump() | {name: value for name, value in changes.items() if name != "password"}
            )
            _check_who(after.person, after.role)
            if before.administers and not after.administers and await self.accounts.administrators() == 1:
                raise Conflict(
                    "last_administrator",
                    "This is the last administrator: make another one first.",
                    "这是最后一个管理员账号:请先创建另一个。",
                )
            kept = None
            if password is not None:
                _check_password(password, before.login, "password")
                kept = await self.passwords.hash(password)
                after = after.model_copy(update={"password_changed_at": _kept_now()})
            stored = await self.accounts.put(after, read=read, password=kept)
        lost = set(before.rights) - set(after.rights)
        if kept or lost or after.disabled or (after.person, after.role) != (before.person, before.role):
            await self.sessions.end_all(id, "account_changed")
        if kept:
            await self.throttle.forget(before.login)
        log.info("account_changed", account=id, fields=sorted(changes))
        return stored

    async def bootstrap(self, login: str | None, password: str | None) -> None:
        """Make the first administrator where there is no account at all."""
        if not await self.accounts.is_empty():
            return
        if login is None or password is None:
            log.warning("no_account", hint="set SALESBEAT_BOOTSTRAP_ADMIN_LOGIN and SALESBEAT_BOOTSTRAP_ADMIN_PASSWORD")
            return
        try:
            await self.create(
                id=None, login=login, password=password, name=None, person=None, role=Role.ADMINISTRATOR, rights=[]
            )
        except Conflict:
            log.info("bootstrap_elsewhere", hint="another gateway made it at the same moment")

    async def _access(self, account: Account, session: str) -> str:
        if account.person is None:
            return await self.tokens.issue(account, {"role": account.role}, session)
        standing = await self._standing(account.person)
        if standing is None or standing.get("role") not in ROLES:
            raise Forbidden(
                "not_on_roster",
                "You are not on the sales organisation's roster today: ask your administrator.",
                "您今天不在销售组织的在岗名单中:请联系管理员。",
            )
        return await self.tokens.issue(account, standing, session)

    def _pair(self, access: str, refresh: str) -> Pair:
        return Pair(access, refresh, int(self.tokens.life.total_seconds()))

    async def _is_repetition(self, wanted: Account, password: str) -> bool:
        found = await self.accounts.with_login(wanted.login)
        same = {"id", "login", "name", "person", "role", "rights"}
        return (
            found is not None
            and found[0].model_dump(include=same) == wanted.model_dump(include=same)
            and await self.passwords.match(found[1], password)
        )


def _grants(account: Account) -> dict[str, Any]:
    """What a session of the account rests on."""
    return account.model_dump(include={"person", "role", "rights", "disabled", "password_changed_at"})


def login_failed() -> Unauthenticated:
    """The same for an unknown login, a wrong password and a disabled account."""
    return Unauthenticated("login_failed", "Login or password is wrong.", "登录名或密码错误。")


def _kept_now() -> datetime:
    """Now, to the millisecond: MongoDB keeps no more, and an answer must say what is kept."""
    now = clock.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _check_password(password: str, login: str, field: str) -> None:
    if fault := password_fault(password, login):
        raise Invalid("weak_password", errors=[FieldError(field, *fault)])


def _check_who(person: str | None, role: str | None) -> None:
    if person is not None and role is not None:
        raise Invalid(
            "person_and_role",
            "Give a person or a role: a person's role comes from their posting.",
            "person 与 role 只能填一个:人员的角色来自其任职记录。",
            field="role",
        )
    if person is None and role not in ROLES_WITHOUT_PERSON:
        allowed = ", ".join(ROLES_WITHOUT_PERSON)
        raise Invalid(
            "person_missing",
            f"Name the person whose account this is; only {allowed} go without one.",
            f"请填写账号所属人员;只有 {allowed} 可以没有人员。",
            field="person",
        )

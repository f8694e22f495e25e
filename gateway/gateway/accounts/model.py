"""An account: who may sign in, and as whom. Pure."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from contracts.staff import Role

ROLES_WITHOUT_PERSON = (Role.ADMINISTRATOR, Role.TOP_MANAGER, Role.OWNER)
"""Those that need no office or region. Every other role comes from the person's posting."""

RIGHTS = ("import",)
PASSWORD_MIN = 8
PASSWORD_MAX = 200


class Account(BaseModel):
    """Somebody's way in.

    With a `person` its role, office and region are asked for at each token, so a new posting counts at
    once; without one it carries its own `role`.
    """

    model_config = ConfigDict(frozen=True, use_enum_values=True)

    id: str
    login: str
    name: str
    person: str | None = None
    role: Role | None = None
    rights: list[str] = []
    disabled: bool = False
    created_at: datetime
    password_changed_at: datetime
    version: int = 1

    @property
    def administers(self) -> bool:
        return self.role == Role.ADMINISTRATOR and not self.disabled


def normal_login(login: str) -> str:
    """The form in which logins are kept and compared: `Wang.Fang ` is `wang.fang`."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


def normal_password(password: str) -> str:
    """The same password from every keyboard, however it composes its characters."""
    return unicodedata.normalize("NFKC", password)


def password_fault(password: str, login: str) -> tuple[str, str] | None:
    """Why a password will not do, in English and Chinese; None where it will."""
    if len(password) < PASSWORD_MIN:
        return f"Use at least {PASSWORD_MIN} characters.", f"密码至少 {PASSWORD_MIN} 个字符。"
    if normal_login(password) == normal_login(login):
        return "The password must differ from the login.", "密码不能与登录名相同。"
    if len(set(password)) < 4:
        return "Use at least four different characters.", "密码至少包含四个不同的字符。"
    return None

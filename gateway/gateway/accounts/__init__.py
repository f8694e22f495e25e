"""The embedded identity provider, for one machine. Elsewhere SALESBEAT_IDENTITY=oidc takes a real one.

model.py        an account and the rules of logins and passwords
store.py        accounts in the gateway's own database
passwords.py    argon2, off the event loop
keys.py         the ES256 keys that sign tokens, and their rotation
sessions.py     refresh tokens: rotated at each use, a reused one ends its family
ended.py        the sessions that ended before their access tokens expired
throttle.py     failed log-ins per login and per address
devices.py      the cookie by which a device that has signed in is known again
tokens.py       what an access token says
commands.py     sign in, refresh, sign out, change
api.py          the HTTP door
"""

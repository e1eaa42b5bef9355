"""The command line: `serve`, `create-user`, and the commands of other files."""

from __future__ import annotations

import argparse
import asyncio
import gc
import getpass
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

from bson import ObjectId
from pydantic import TypeAdapter, ValidationError

from handlers.asyncapi import make_asyncapi
from models.actors import Role
from models.common_passwords import check_password
from models.database import is_unavailable
from models.errors import ProctoringError
from models.fields import Email, Password, parse_id
from models.store import Store
from server.app import NAMESPACES, Running, command_store, running
from server.backup import add_backup
from server.demo import ensure_demo, may_have_demo
from server.doctor.command import add_doctor
from server.ending import end_within, leave
from server.logs import set_up_logs
from server.migrating import add_migrate
from server.pages import has_pages
from server.people import add_people
from server.rehearse.command import add_rehearse
from server.sealing import add_seal
from server.settings import Settings, SettingsError, load_settings
from server.verify import add_verify
from server.workers import serve_by_workers

logger = logging.getLogger("server")


def main() -> None:
    """The entry point `proctoring-server`. Ends with 2 and one line where the settings or arguments are wrong."""
    arguments = _parser().parse_args()
    if "offline" in arguments:
        sys.exit(arguments.offline(arguments))
    leave(_run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        settings = load_settings()
        set_up_logs(settings.log_level, settings.log_format)
        return run_async(arguments.run(settings, arguments))
    except SettingsError as error:
        return _complain(str(error))
    except ProctoringError as error:
        return _complain(error.message)
    except OSError as error:
        return _complain(f"HOST, PORT, WS_PORT, METRICS_HOST, METRICS_PORT: {error.strerror or error}")
    except Exception as error:
        if is_unavailable(error):
            return _complain("DATABASE_URL: the database does not answer")
        raise
    except KeyboardInterrupt:
        return 130


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="proctoring-server", description="A live exam proctoring server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server")
    serve.add_argument(
        "--demo", action="store_true", help="make demo accounts (only on loopback, without DATABASE_URL)"
    )
    serve.set_defaults(run=_serve)

    create = commands.add_parser("create-user", help="make an account; the only way to a SALES account but the first")
    create.add_argument("--email", required=True)
    create.add_argument("--name", help="default: the e-mail address")
    create.add_argument("--role", choices=[role.value for role in Role], default=Role.SALES.value)
    create.add_argument("--organisation", metavar="ID", help="its organisation's id; not for SALES")
    create.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    create.set_defaults(run=_create_user)

    add_migrate(commands)
    add_backup(commands)
    add_doctor(commands)
    add_rehearse(commands)
    add_people(commands)
    add_seal(commands)
    add_verify(commands)

    asyncapi = commands.add_parser("asyncapi", help="print what /asyncapi.json answers")
    asyncapi.set_defaults(run=_print_asyncapi)
    return parser


async def _print_asyncapi(_: Settings, __: argparse.Namespace) -> int:
    _say(json.dumps(make_asyncapi(NAMESPACES), indent=2))
    return 0


async def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.workers > 1:
        return await serve_by_workers(settings, _say)
    stop, drain = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, lambda: (stop if drain.is_set() else drain).set())
    for warning in settings.warnings():
        logger.warning(warning)
    async with running(settings) as server:
        await _bootstrap_sales(settings, server.store)
        _say(f"Listening on {server.url}" + (f", Socket.IO on {server.ws_url}" if server.ws_url != server.url else ""))
        if server.metrics_url:
            _say(f"Metrics on {server.metrics_url}/metrics")
        if arguments.demo:
            await _show_demo(settings, server)
        _collect_less()
        await _either(stop.wait(), drain.wait())
        _say("Stopping.")
        end_within()
        if not stop.is_set():
            await _either(stop.wait(), server.drain())
    return 0


async def _either(*work: Awaitable[Any]) -> None:
    """Until one of these is done."""
    tasks = [asyncio.ensure_future(one) for one in work]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _collect_less() -> None:
    """Look for garbage rarely: what was loaded by now stays, and nearly all that a message makes is freed without."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


async def _show_demo(settings: Settings, server: Running) -> None:
    if not may_have_demo(settings):
        _say("No demo accounts: they are made only on loopback and without DATABASE_URL.")
        return
    demo = await ensure_demo(settings, server.store, server.url, server.ws_url)
    _say("\nDemo accounts (random passwords, for this machine alone):")
    for account in demo["accounts"]:
        _say(f"  {account['role']:8} {account['email']:24} {account['password']}")
    _say(f"Demo organisation {demo['organisationId']}, demo exam {demo['examId']}")
    if has_pages():
        _say(f"\nProctors: {server.url}/console   Students: {server.url}/exam   The API: {server.url}/docs")
    _say(f"\nTry in another terminal:\n  {_program()} rehearse --students 50 --seconds 30\n")


async def _bootstrap_sales(settings: Settings, store: Store) -> None:
    email, password = settings.bootstrap_sales_email, settings.bootstrap_sales_password
    if email and password and not await store.users.has_role(Role.SALES):
        if settings.common_passwords == "refuse":
            check_password(Role.SALES, password.get_secret_value())
        await store.users.create(ObjectId(), "Sales", email, password.get_secret_value(), Role.SALES, None)
        _say("Made the first SALES account, that of BOOTSTRAP_SALES_EMAIL.")


async def _create_user(settings: Settings, arguments: argparse.Namespace) -> int:
    role = Role(arguments.role)
    if (role is Role.SALES) != (arguments.organisation is None):
        raise SettingsError("--organisation: every role but SALES has one")
    try:
        organisation_id = parse_id(arguments.organisation) if arguments.organisation else None
    except ValueError as error:
        raise SettingsError(f"--organisation: {error}") from None
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else getpass.getpass("Password: ")
    _check("--email", TypeAdapter(Email), arguments.email)
    _check("password", TypeAdapter(Password), password)
    if settings.common_passwords == "refuse":
        check_password(role, password)
    async with command_store(settings) as store:
        name = arguments.name or arguments.email
        user = await store.users.create(ObjectId(), name, arguments.email, password, role, organisation_id)
    _say(f"Made the {role} account {arguments.email}, id {user['_id']}.")
    return 0


def _check(name: str, adapter: TypeAdapter[str], value: str) -> None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise SettingsError(f"{name}: {error.errors()[0]['msg']}") from None


def _program() -> str:
    path = Path(sys.argv[0])
    try:
        return str(path.absolute().relative_to(Path.cwd())) if path.exists() else "proctoring-server"
    except ValueError:
        return path.name


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> int:
    sys.stderr.write(f"proctoring-server: {text}\n")
    return 2

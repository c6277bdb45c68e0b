"""I48: the checks see every fault of the table that touches operations, and each with a hint; in a scene in which all else is well."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.jobs.checks.words import Status
from tests.conftest import fresh_database
from tests.jobs.checks.faults import FAULTS, Fault
from tests.jobs.checks.scene import Scene, place, scene

#: A command, a key of the configuration, or what to do at the Gateway's window: something that a person can do next.
NEXT = re.compile(r"bin/|crontab|timedatectl|chmod|redis-cli|systemctl|tail |apt-get|dmesg|ps aux|cat |ls |\[\w+\]|[Gg]ateway|subscribe|exchange_calendars|pg_stat_activity|du --")


@pytest.fixture(scope="module")
def well(server: Embedded, template: str) -> Iterator[Scene]:
    with (
        place() as folder,
        fresh_database(server, template) as config,
        connect(config, application="tests", owner=True) as owner,
        scene(config, owner, folder) as made,
    ):
        yield made


def test_where_all_is_well_every_check_says_so(well: Scene) -> None:
    found = {name: (line.status, line.value) for name, line in well.look().items() if name not in well.quiet}
    assert {name: told for name, told in found.items() if told[0] is not Status.OK} == {}


@pytest.mark.parametrize("fault", [each for each in FAULTS if not each.is_slow], ids=lambda each: f"{each.row} {each.name}")
def test_I48_a_fault_shows_in_its_check_with_what_to_do_next(well: Scene, fault: Fault) -> None:
    try:
        with fault.inject(well) as config:
            found = well.look(fault.check, config=config)[fault.check]
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    assert found.status in (Status.WARNING, Status.CRITICAL), found.value
    assert NEXT.search(found.hint), found.hint
    assert well.look(fault.check)[fault.check].status is Status.OK or fault.check in well.quiet, "the scene was not mended"

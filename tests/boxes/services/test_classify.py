"""From facts to services: kinds, names that stay, tokens that nobody sees, text that is safe to draw."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.services import Access, Service
from gpubox.boxes.services.classify import read
from gpubox.boxes.services.facts import Listener, RunningServices, ServiceFacts, Socket, Zabbix
from gpubox.core.channels import Direction, Forward
from gpubox.core.tunnel_spec import parse
from tests.boxes.services.samples import ADA, PYTHON, Given
from tests.drawable import drawable


def only(given: Given) -> Service:
    """The one service of a box."""
    (service,) = read(given.facts)
    return service


def test_jupyter_brings_its_token_base_path_and_project() -> None:
    given = Given()
    pid = given.listens(8890, f"{PYTHON} /env/bin/jupyter-lab")
    given.jupyter_file(pid, 8890, "/home/ada/cats", token="s3/cret&", base_url="/hub/ada/")
    service = only(given)
    assert (service.key, service.name, service.title) == ("jupyter-cats", "Jupyter Lab", "cats")
    assert service.access is Access.TOKEN
    assert service.url(41000) == "http://127.0.0.1:41000/hub/ada/?token=s3%2Fcret%26"
    assert service.shown_url(41000) == "http://127.0.0.1:41000/hub/ada/"
    assert service.forward == Forward(Direction.LOCAL, host="127.0.0.1", port=8890)


def test_a_token_is_in_no_text_of_a_service_or_of_facts() -> None:
    given = Given()
    pid = given.listens(8890, f"{PYTHON} /env/bin/jupyter-lab --ServerApp.token=s3cret", token="s3cret")
    given.jupyter_file(pid, 8890, "/home/ada/cats", token="s3cret")
    assert "s3cret" in only(given).url(1)
    assert (
        "s3cret" not in f"{only(given)!r}{only(given)}{given.facts!r}{given.listeners!r}{given.processes!r}"
    )


@pytest.mark.parametrize(
    ("file", "access"),
    [
        ({"token": "t"}, Access.TOKEN),
        ({"token": "", "password": True}, Access.PASSWORD),
        ({"token": ""}, Access.OPEN),
    ],
)
def test_what_jupyter_asks_for_is_reported(file: dict[str, object], access: Access) -> None:
    given = Given()
    pid = given.listens(8888, f"{PYTHON} -m jupyter_server")
    given.jupyter_file(pid, 8888, "/srv", **file)
    assert only(given).access is access
    assert only(given).name == "Jupyter Server"


def test_the_older_notebook_writes_other_names() -> None:
    given = Given()
    pid = given.listens(8888, f"{PYTHON} /env/bin/jupyter-notebook")
    given.jupyter.append(
        {"pid": pid, "port": 8888, "owner": 0, "notebook_dir": "/home/ada/old", "token": "t", "secure": True}
    )
    service = only(given)
    assert (service.name, service.title) == ("Jupyter Notebook", "old")
    assert service.url(9).startswith("https://127.0.0.1:9/?token=t")


@pytest.mark.parametrize(
    "wrong", [{"pid": 1}, {"port": 8889}, {"owner": 2000}, {"port": "8888"}, {"base_url": 7}]
)
def test_a_file_of_another_server_or_another_user_is_not_believed(wrong: dict[str, object]) -> None:
    given = Given()
    pid = given.listens(8888, f"{PYTHON} -m jupyterlab")
    given.jupyter.append({"pid": pid, "port": 8888, "owner": ADA, "token": "t", **wrong})
    assert only(given).token == ""
    assert only(given).access is Access.UNKNOWN


def test_jupyter_on_a_unix_socket_is_reached_by_its_path() -> None:
    given = Given()
    given.processes["7"] = RunningServices("jupyter-lab", (PYTHON, "/env/bin/jupyter-lab"), ADA, "ada")
    given.processes["8"] = RunningServices("dbus-daemon", ("dbus-daemon",), ADA, "ada")
    given.sockets = [Socket("/run/user/1000/j.sock", 7), Socket("/run/user/1000/bus", 8)]
    given.jupyter_file(7, 0, "/home/ada/cats", sock="/run/user/1000/j.sock", token="t")
    service = only(given)
    assert service.forward == Forward(Direction.LOCAL, path="/run/user/1000/j.sock")
    assert (service.place, service.url(5)) == ("/run/user/1000/j.sock", "http://127.0.0.1:5/?token=t")


def test_tensorboard_brings_its_folder_and_path() -> None:
    given = Given()
    pid = given.listens(6006, f"{PYTHON} -m tensorboard.main --logdir .", folder="/home/ada/runs")
    assert (only(given).key, only(given).folder) == ("tensorboard-runs", "/home/ada/runs")
    given.tensorboard = [
        {"pid": pid, "port": 6006, "owner": ADA, "logdir": "exp/7", "path_prefix": "/tb", "db": ""}
    ]
    service = only(given)
    assert (service.title, service.folder) == ("7", "/home/ada/runs/exp/7")
    assert service.url(7) == "http://127.0.0.1:7/tb/"


def test_an_editor_takes_its_token_by_another_name() -> None:
    given = Given()
    given.listens(8000, "/usr/bin/code serve-web --connection-token abc")
    assert only(given).url(9) == "http://127.0.0.1:9/?tkn=abc"
    other = Given()
    other.listens(8000, "/usr/bin/code serve-web --without-connection-token")
    assert only(other).access is Access.OPEN


def test_a_server_that_listens_for_both_kinds_of_addresses_is_one_service() -> None:
    given = Given()
    given.listens(3000, "grafana server", host="::")
    given.listens(3000, "grafana server", host="0.0.0.0")
    service = only(given)
    assert (service.key, service.host, service.exposed, service.place) == (
        "grafana",
        "127.0.0.1",
        True,
        "3000",
    )


def test_two_servers_on_one_port_of_different_addresses_are_two_services() -> None:
    given = Given()
    given.listens(8080, "nginx: master", host="10.0.0.7", pid=1)
    given.listens(8080, "caddy run", host="127.0.0.1", pid=2)
    assert {one.forward.host for one in read(given.facts)} == {"10.0.0.7", "127.0.0.1"}
    assert {one.place for one in read(given.facts)} == {"10.0.0.7:8080", "8080"}


def test_two_of_a_kind_are_distinguished_by_folder_and_then_by_port() -> None:
    given = Given()
    for port, folder in ((8888, "/a/cats"), (8889, "/b/cats"), (8890, "/b/dogs")):
        pid = given.listens(port, f"{PYTHON} -m jupyterlab")
        given.jupyter_file(pid, port, folder)
    found = {one.port: one.key for one in read(given.facts)}
    assert found == {8888: "jupyter-cats", 8889: "jupyter-cats-8889", 8890: "jupyter-dogs"}


def test_what_a_server_listens_on_besides_its_page_is_part_of_its_works() -> None:
    given = Given()
    for port in (8000, 41001, 41002):
        given.listens(port, f"{PYTHON} /env/bin/vllm serve llama", pid=7)
    given.listens(41003, f"{PYTHON} -m jupyterlab", pid=8)
    found = {one.port: (one.key, one.page, one.system) for one in read(given.facts)}
    assert found[8000] == ("vllm", True, False)
    assert found[41001] == ("vllm-41001", False, True)
    assert found[41003] == ("jupyter", True, False)  # it has no other port: Slurm gives out such ones


def test_a_key_stays_when_the_port_changes() -> None:
    keys: set[str] = set()
    for port in (8888, 8891):
        given = Given()
        pid = given.listens(port, f"{PYTHON} -m jupyterlab")
        given.jupyter_file(pid, port, "/home/ada/My Cats (new)")
        keys.add(only(given).key)
    assert keys == {"jupyter-my-cats-new"}


def test_ones_own_pages_come_first_and_the_box_itself_last() -> None:
    given = Given()
    given.listens(22, "sshd -D", uid=0)
    given.listens(3000, "grafana server", uid=472)
    given.listens(5432, "postgres -D x")
    given.listens(6006, f"{PYTHON} -m tensorboard.main")
    services = read(given.facts)
    assert [one.kind for one in services] == ["tensorboard", "postgres", "grafana", "ssh"]
    assert [one.system for one in services] == [False, False, False, True]


def test_an_unknown_program_is_named_and_a_port_that_the_kernel_chose_is_no_service() -> None:
    given = Given()
    given.listens(9000, f"{PYTHON} train/serve.py", folder="/home/ada/birds")
    given.listens(45001, f"{PYTHON} -m torch.distributed.run")
    known, chance = read(given.facts)
    assert (known.key, known.title, known.system, known.page) == ("serve.py-9000", "birds", False, False)
    assert (chance.key, chance.system) == ("torch.distributed.run-45001", True)


@pytest.mark.parametrize(
    ("port", "programs", "user", "key", "system"),
    [
        (3000, ("grafana",), "grafana", "grafana", False),
        (9090, ("sh", "prometheus"), "svc", "prometheus", False),
        (9090, (), "prometheus", "prometheus", False),
        (8123, ("clickhouse",), "clickhouse", "clickhouse-8123", False),
        (8123, ("a", "b"), "bob", "unknown-8123", False),
        (22, (), "root", "ssh", True),
        (10050, ("zabbix_agentd",), "zabbix", "zabbix-agent", True),
    ],
)
def test_what_others_run_is_named_as_far_as_the_box_lets(
    port: int, programs: tuple[str, ...], user: str, key: str, system: bool
) -> None:
    given = Given()
    given.hidden(port, *programs, user=user)
    service = only(given)
    assert (service.key, service.system, service.user, service.mine) == (key, system, user, False)
    assert service.pid is None


def test_a_port_of_a_container_is_named_by_both_its_ports() -> None:
    given = Given()
    line = "/usr/bin/docker-proxy -proto tcp -host-port 8888 -container-ip 172.17.0.2 -container-port 80"
    given.listeners.append(Listener("0.0.0.0", 8888, 0, "root", guess=55))
    given.processes["55"] = RunningServices("docker-proxy", tuple(line.split()), 0, "root")
    assert (only(given).kind, only(given).title, only(given).pid) == ("container", "80", 55)


@pytest.mark.parametrize(
    ("zabbix", "port", "program", "url"),
    [
        (Zabbix(nginx=8080), 8080, "nginx", "http://127.0.0.1:5/"),
        (Zabbix(apache=True), 80, "apache2", "http://127.0.0.1:5/zabbix/"),
        (Zabbix(apache=True), 443, "httpd", "https://127.0.0.1:5/zabbix/"),
    ],
)
def test_the_pages_of_zabbix_are_found_behind_a_web_server(
    zabbix: Zabbix, port: int, program: str, url: str
) -> None:
    for hidden in (False, True):
        given = Given()
        given.zabbix = zabbix
        if hidden:
            given.hidden(port, "cron", program, uid=0, user="root")
        else:
            given.listens(port, f"{program} -k start")
        assert (only(given).kind, only(given).url(5)) == ("zabbix", url)
    given = Given()
    given.zabbix = zabbix
    given.listens(port, "other")
    assert only(given).kind == ""


_words = st.text(max_size=30)


@given(
    st.lists(
        st.tuples(st.integers(1, 65535), _words, st.lists(_words, max_size=4), _words, st.booleans()),
        max_size=6,
    ),
    st.lists(st.dictionaries(_words, st.integers() | _words | st.none(), max_size=4), max_size=3),
)
def test_any_facts_become_services_with_keys_that_can_be_typed(
    found: list[tuple[int, str, list[str], str, bool]], files: list[dict[str, object]]
) -> None:
    given = Given()
    for number, (port, name, words, folder, known) in enumerate(found):
        pid = number if known else None
        given.listeners.append(Listener("127.0.0.1", port, number % 3, name, pid=pid))
        given.processes[str(number)] = RunningServices(name, tuple(words), 0, name, folder)
        given.programs[str(number % 3)] = (RunningServices(name, tuple(words)),)
    given.jupyter = files
    services = read(given.facts)
    keys = [one.key for one in services]
    assert len(set(keys)) == len(keys)
    for one in services:
        assert parse(one.key).spec is None
        drawn = one.key + one.name + one.title + one.folder + one.user + one.bind
        assert drawable(drawn)
        assert one.url(1).startswith(("http://127.0.0.1:1/", "https://127.0.0.1:1/"))
        assert re.fullmatch(r"[!-~]+", one.url(1))


def test_facts_of_a_newer_program_are_read_all_the_same() -> None:
    facts = msgspec.json.decode(
        b'{"v": 9, "new": [1], "listeners": [{"host": "::1", "port": 80, "x": 1}]}', type=ServiceFacts
    )
    assert read(facts)[0].host == "::1"

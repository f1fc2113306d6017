"""Behaviour of ansible-core 2.19 that the design counts on, shown by small real plays.

Each test is one sentence of "Rollouts" in the architecture. When a newer ansible-core changes one of them,
the play must be looked at again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import captured


class Playground:
    """Hosts on this machine, and one where nobody listens."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        local = "ansible_connection=local ansible_python_interpreter=" + sys.executable
        gone = f"ansible_host=127.0.0.1 ansible_port={free_port()} ansible_ssh_common_args='-o ConnectTimeout=2'"
        lines = [f"h{n} {local}" for n in range(4)] + [f"gone {gone}"]
        (directory / "ansible.cfg").touch()  # Ansible's own defaults, whatever the project sets
        (directory / "hosts").write_text("\n".join(lines) + "\n")

    def run(self, play: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        playbook = self.directory / "play.yml"
        playbook.write_text(play)
        return captured(
            ["ansible-playbook", "-i", str(self.directory / "hosts"), str(playbook), *arguments],
            cwd=self.directory,
            environment={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            },
            seconds=60,
        )


@pytest.fixture
def plays(tmp_path: Path) -> Playground:
    return Playground(tmp_path)


RESCUED = """
- hosts: {hosts}
  gather_facts: false
  {keywords}
  tasks:
    - block:
        - {task}
      rescue:
        - debug: msg=RESCUED
      always:
        - debug: msg=ALWAYS
    - debug: msg=NEXT
"""


def test_rescue_and_always_do_not_run_for_an_unreachable_host(plays: Playground) -> None:
    done = plays.run(RESCUED.format(hosts="gone", keywords="", task="ping:"))
    assert "unreachable=1" in done.stdout
    assert "RESCUED" not in done.stdout
    assert "ALWAYS" not in done.stdout


def test_an_unreachable_host_leaves_the_batch_and_the_others_go_on(plays: Playground) -> None:
    done = plays.run(
        """
- hosts: h0:gone
  gather_facts: false
  tasks:
    - ping:
    - debug: msg="lost {{ ['h0', 'gone'] | difference(ansible_play_batch) }}"
      run_once: true
"""
    )
    assert "lost ['gone']" in done.stdout


def test_max_fail_percentage_ignores_unreachable_and_rescued_hosts(plays: Playground) -> None:
    keywords = "max_fail_percentage: 0"
    rescued = plays.run(RESCUED.format(hosts="h0:h1", keywords=keywords, task="fail:"))
    lost = plays.run(RESCUED.format(hosts="h0:gone", keywords=keywords, task="ping:"))
    assert rescued.stdout.count('"msg": "NEXT"') == 2
    assert lost.stdout.count('"msg": "NEXT"') == 1


@pytest.mark.parametrize(("percentage", "goes_on"), [(50, True), (49, False)])
def test_max_fail_percentage_must_be_exceeded(plays: Playground, percentage: int, goes_on: bool) -> None:
    done = plays.run(
        f"""
- hosts: h0:h1
  gather_facts: false
  max_fail_percentage: {percentage}
  tasks:
    - fail:
      when: inventory_hostname == 'h0'
    - debug: msg=NEXT
"""
    )
    assert ("NEXT" in done.stdout) is goes_on


def test_max_fail_percentage_counts_per_batch(plays: Playground) -> None:
    done = plays.run(
        """
- hosts: h0:h1:h2:h3
  gather_facts: false
  serial: 2
  max_fail_percentage: 50
  tasks:
    - fail:
      when: inventory_hostname in ['h0', 'h2']
    - debug: msg="NEXT {{ inventory_hostname }}"
"""
    )
    # Half of each batch failed, half of all in the end, and no batch stopped the play.
    assert "NEXT h1" in done.stdout
    assert "NEXT h3" in done.stdout


def test_a_batch_that_was_rescued_ends_with_0(plays: Playground) -> None:
    done = plays.run(RESCUED.format(hosts="h0:h1", keywords="serial: 1", task="fail:"))
    assert done.returncode == 0
    assert done.stdout.count('"msg": "RESCUED"') == 2


def test_a_task_that_runs_once_and_fails_ends_the_play_before_the_next_batch(plays: Playground) -> None:
    done = plays.run(
        """
- hosts: h0:h1:h2:h3
  gather_facts: false
  serial: 2
  tasks:
    - fail: msg="stop at {{ inventory_hostname }}"
      run_once: true
      any_errors_fatal: true
- hosts: localhost
  gather_facts: false
  tasks:
    - debug: msg=AFTER
"""
    )
    assert done.returncode != 0
    assert "stop at h0" in done.stdout
    assert "stop at h2" not in done.stdout
    assert "AFTER" not in done.stdout


def test_pause_without_a_terminal_goes_on(plays: Playground) -> None:
    play = "- hosts: h0\n  gather_facts: false\n  tasks:\n    - pause: prompt='Go on?'\n    - debug: msg=NEXT\n"
    done = plays.run(play)
    assert (done.returncode, "NEXT" in done.stdout) == (0, True)


@pytest.mark.case("A25")
def test_a25_extra_variables_are_templates(plays: Playground, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    play = "- hosts: h0\n  gather_facts: false\n  tasks:\n    - debug: msg={{ given }}\n"
    attack = "{{ lookup('ansible.builtin.pipe', 'touch " + str(mark) + "') }}"
    plays.run(play, "-e", '{"given": "' + attack + '"}')
    assert mark.exists()  # which is why nothing but a checked identifier becomes one


def test_serial_takes_a_list_from_another_hosts_variable_and_keeps_the_order_of_add_host(
    plays: Playground,
) -> None:
    done = plays.run(
        """
- hosts: localhost
  gather_facts: false
  tasks:
    - set_fact: {sizes: [1, 2]}
    - add_host: {name: "{{ item }}", groups: [chosen]}
      loop: [h3, h1, h2]
- hosts: chosen
  gather_facts: false
  serial: "{{ hostvars['localhost'].sizes }}"
  tasks:
    - debug: msg="batch {{ ansible_play_batch | join('+') }}"
      run_once: true
"""
    )
    assert [line.split('"')[3] for line in done.stdout.splitlines() if '"msg": "batch' in line] == [
        "batch h3",
        "batch h1+h2",
    ]

"""Tests the files of doc/monitoring. A real Prometheus loads the alert rules, scrapes the exporter, and answers the
queries of the dashboard's panels. The dashboard is not drawn, because Debian does not have Grafana."""
# SPDX-License-Identifier: BSD-2-Clause
import configparser
import json
import re
import socket
import subprocess
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from support import exporter, settings
from support.exporter import Exporter
from support.servant import ServantCase

HERE = Path(__file__).resolve().parent
MONITORING = HERE.parents[1] / "doc" / "monitoring"
ALERTS = MONITORING / "prometheus-alerts.yml"
METRIC = re.compile(r"\bsockmalloc_\w+")
CONFIGURATION = """
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}}
rule_files: ["{alerts}"]
scrape_configs:
  - job_name: sockmalloc
    static_configs: [targets: ["{target}"]]
"""


def dashboard() -> dict[str, Any]:
    return json.loads((MONITORING / "grafana-dashboard.json").read_text())


def queries() -> list[tuple[str, str]]:
    """Returns the queries of all panels of the dashboard, each as a pair of the panel's title and the query."""
    return [(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel.get("targets", [])]


class Files(unittest.TestCase):
    def promtool(self, *words: object) -> str:
        command = [settings.tool("promtool"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_rules_are_well_formed(self) -> None:
        self.assertIn("SUCCESS", self.promtool("check", "rules", ALERTS))

    def test_each_alert_fires_when_it_should(self) -> None:
        cases = HERE / "alerts.test.yml"
        self.assertIn("SUCCESS", self.promtool("test", "rules", cases))
        alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
        self.assertGreater(len(alerts), 5)
        fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", cases.read_text()))
        self.assertEqual(fired, alerts)

    def test_panels_do_not_overlap(self) -> None:
        panels = dashboard()["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            places = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], 24)
            self.assertFalse(places & taken, panel["title"])
            taken |= places
            if panel["type"] != "row":
                self.assertEqual({target["datasource"]["uid"] for target in panel["targets"]}, {"${datasource}"})

    def test_the_unit_has_the_rights_that_are_needed(self) -> None:
        """The systemd unit must give the exporter these two capabilities, and must not hide other processes from it.
        test_exporter tests that the two capabilities are enough."""
        unit = configparser.ConfigParser(delimiters="=", interpolation=None)
        unit.optionxform = str
        unit.read(MONITORING / "sockmalloc-exporter.service")
        service = unit["Service"]
        for name in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(service[name], "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH")
        for name in ("PrivateUsers", "ProtectProc", "ProcSubset"):
            self.assertNotIn(name, service)


class Server(ServantCase):
    def start_prometheus(self, target: str) -> str:
        """Starts a Prometheus that listens on a free port and scrapes `target`. Returns the address of Prometheus."""
        file = self.directory / "prometheus.yml"
        file.write_text(CONFIGURATION.format(alerts=ALERTS, target=target))
        with socket.create_server(("127.0.0.1", 0)) as chosen:
            address = f"127.0.0.1:{chosen.getsockname()[1]}"
        log = self.directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [settings.tool("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address={address}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        end = time.monotonic() + exporter.DEADLINE_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=10).close()
                return address
            except OSError:
                time.sleep(0.05)
        self.fail(f"Prometheus is not ready: {log.read_text()}")

    def api(self, address: str, path: str, **query: str) -> Any:
        place = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(place, timeout=exporter.DEADLINE_SECONDS) as answer:
            said = json.load(answer)
        self.assertEqual(said["status"], "success", said)
        return said["data"]

    def test_prometheus_answers_each_panel(self) -> None:
        servant = self.start()
        servant.ask("make-pool receivers")
        started = Exporter(servant.pid)
        self.addCleanup(started.dismiss)
        address = self.start_prometheus(started.says.partition("//")[2].partition("/")[0])
        left = queries()
        self.assertGreater(len(left), 20)
        end = time.monotonic() + exporter.DEADLINE_SECONDS
        while left and time.monotonic() < end:
            servant.ask("churn 5000")
            servant.ask("churn 70000")
            title, expression = left[0]
            for variable, value in (("$program", ".*"), ("$__rate_interval", "1m")):
                expression = expression.replace(variable, value)
            result = self.api(address, "query", query=expression)["result"]
            if result and all(series["value"][1] != "NaN" for series in result):
                left.pop(0)
            else:
                time.sleep(0.1)
        self.assertEqual(left, [], "these panels stay empty")
        self.assertEqual(self.api(address, "label/program/values"), ["servant"])
        requests = self.api(address, "query", query="sum(sockmalloc_requests_total)")["result"][0]["value"][1]
        self.assertGreater(int(requests), 0)
        groups = self.api(address, "rules")["groups"]
        self.assertEqual({rule["health"] for group in groups for rule in group["rules"]} - {"unknown"}, {"ok"})
        names = set(METRIC.findall(started.page()))
        self.assertLessEqual(set(METRIC.findall(ALERTS.read_text())), names)

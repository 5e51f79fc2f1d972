"""An invented machine for pictures: what its checks would gather."""

from __future__ import annotations

from gpubox.boxes.checks.check import Facts
from gpubox.boxes.checks.cuda.facts import CudaFacts, Toolkit
from gpubox.boxes.checks.desktop.facts import DesktopFacts, InstalledServer
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.gpu.facts import KernelFacts
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import AuthorizedKey, KeyFile, LoginFacts, PathMode
from gpubox.boxes.checks.monitoring.facts import AgentPort, MonitoringAgent, MonitoringFacts
from gpubox.boxes.checks.network.facts import (
    DefaultRoute,
    Firewall,
    NetworkFacts,
    OwnAddress,
    SshConnection,
    SshListener,
)
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdHostKey, SshdSetting, SshdUnit
from gpubox.boxes.checks.system.facts import DiskLimits, FileSystem, LaptopClock, SystemFacts, Updates
from gpubox.boxes.checks.web.facts import (
    Certificate,
    CertificateRenewal,
    ServedCertificate,
    WebFacts,
    WebServer,
)
from gpubox.boxes.checks.x11.facts import X11Facts
from gpubox.boxes.services.facts import ServiceFacts
from gpubox.core.env import Build, Env, Root
from tests.boxes.checks.gpu_boxes import gpus, packages

DAY = 86400.0
GIB = 1 << 30
MAIN = "/etc/ssh/sshd_config"
CLOUD = "/etc/ssh/sshd_config.d/50-cloud-init.conf:1"
KEY = AuthorizedKey(
    "~/.ssh/authorized_keys:1", "ssh-ed25519", 256, "SHA256:q8vhX2b6U2yO1dZ9qQmJtB6f", commented=True
)

SETTINGS = {
    "passwordauthentication": SshdSetting("yes", CLOUD, "yes", CLOUD),
    "kbdinteractiveauthentication": SshdSetting("no", f"{MAIN}:62", "no", f"{MAIN}:62"),
    "x11forwarding": SshdSetting("yes", f"{MAIN}:90", "yes", f"{MAIN}:90"),
    "usepam": SshdSetting("yes", f"{MAIN}:85", "yes", f"{MAIN}:85"),
}


def certificate(now: float, days: float, *, path: str = "", print_of: str) -> Certificate:
    ends = now + days * DAY
    return Certificate(
        path, ("box.example.org",), "CN=box.example.org", "Let's Encrypt", ends - 90 * DAY, ends, print_of
    )


def login_facts(now: float) -> list[Facts]:
    """How one logs in there."""
    paths = tuple(
        PathMode(one, mode, 1000, "ada", regular=one.endswith("keys"))
        for one, mode in (
            ("/home/ada/.ssh/authorized_keys", 0o600),
            ("/home/ada/.ssh", 0o700),
            ("/home/ada", 0o750),
        )
    )
    return [
        LinkLogin(True, ("publickey", "password"), "ssh-ed25519", KEY.fingerprint),
        LaptopClock(0.004, 0.011),
        DiskLimits(),
        LoginFacts(
            now,
            "ada",
            1000,
            "/home/ada",
            file_system="ext4",
            source="/dev/nvme0n1p2",
            debian=True,
            keys=(KEY,),
            files=(KeyFile(paths[0].path, paths=paths),),
            shell="/bin/bash",
            shell_runs=True,
            shell_listed=True,
            password="P",
        ),
        SshdFacts(
            user="ada",
            root=True,
            installed=True,
            version="9.6",
            server="sshd",
            exact=True,
            readable=True,
            settings=SETTINGS,
            include=f"{MAIN}:12",
            drop_ins=("50-cloud-init.conf",),
            listens=True,
            init="systemd",
            units=(SshdUnit("ssh.service", active=True, file_state="enabled"),),
            host_keys=(SshdHostKey("/etc/ssh/ssh_host_ed25519_key", "ssh-ed25519", 256),),
        ),
        X11Facts(
            "ada",
            1000,
            "/usr/bin/xauth",
            works=True,
            path="/home/ada/.Xauthority",
            there=True,
            owner="ada",
            owner_uid=1000,
            mode=0o600,
        ),
    ]


def gpu_facts(now: float) -> list[Facts]:
    """Its card, driver and environments."""
    prefix = "/home/ada/miniconda3/envs"
    return [
        DesktopFacts(
            (InstalledServer("Xtigervnc", "/usr/bin/Xtigervnc", "Xvnc TigerVNC 1.13.1"),),
            ("startxfce4",),
            ("dbus-run-session",),
            listening=(),
            system="ubuntu",
        ),
        gpus("NVIDIA GeForce GTX 1070", driver="580.95.05", flavor="proprietary", persistenced=False),
        KernelFacts("dmesg", whole=True, begins=now - 9 * DAY, time=now),
        packages(
            "nvidia-driver-580 580.95.05 -> 590.44.01",
            automatic=True,
            built=("6.8.0-86-generic", "6.8.0-87-generic"),
            modules_known=True,
        ),
        CudaFacts(
            (Toolkit("/usr/local/cuda-12.4", "12.4", default=True, compiler=True),),
            "/usr/local/cuda/bin/nvcc",
            "12.4",
            login_read=True,
            machine="x86_64",
        ),
        EnvsFacts(
            (
                Env(
                    f"{prefix}/tf-gpu",
                    "tf-gpu",
                    "conda",
                    builds=(Build("tensorflow", "2.16.1", "cuda", "12.3"),),
                ),
                Env(f"{prefix}/tf-cpu", "tf-cpu", "conda", builds=(Build("tensorflow", "2.16.1", "cpu"),)),
            ),
            (Root("/home/ada/miniconda3", "miniconda"),),
            cuda="13.0",
            driver="580.95.05",
            has_venv=True,
            home="/home/ada",
            channels=("conda-forge",),
            caches=(),
        ),
    ]


def service_facts(now: float) -> list[Facts]:
    """What it serves."""
    path = "/etc/letsencrypt/live/box.example.org/fullchain.pem"
    return [
        MonitoringFacts(
            (
                MonitoringAgent(
                    "Prometheus node exporter", "node_exporter", "prometheus", (AgentPort("127.0.0.1", 9100),)
                ),
            ),
            (),
        ),
        WebFacts(
            now,
            True,
            (WebServer("nginx", "root", config="/etc/nginx/nginx.conf", valid=True),),
            certificates=(certificate(now, 61, path=path, print_of="new"),),
            served=(
                ServedCertificate(
                    certificate(now, 9, print_of="old"), "nginx", "box.example.org", "127.0.0.1", 443, (path,)
                ),
            ),
            tls=(443,),
            renewals=(
                CertificateRenewal("certbot", "certbot.timer", True, True, now - 0.4 * DAY, "success", 0),
            ),
            tools=("certbot",),
            services=ServiceFacts(),
        ),
        NetworkFacts(
            True,
            routes=(DefaultRoute(4, "enp5s0", "192.168.1.1", "dhcp"),),
            addresses=(OwnAddress("192.168.1.20", "enp5s0", dynamic=True),),
            connection=SshConnection("192.168.1.9", "192.168.1.20", 22),
            ports=(22,),
            listening=(SshListener("0.0.0.0", 22),),
            firewall=Firewall("ufw", True, ("22/tcp ALLOW",)),
        ),
    ]


def system_facts(now: float) -> list[Facts]:
    """Its operating system."""
    disk = FileSystem("/", 916 * GIB, 604 * GIB, answered=True)
    return [
        SystemFacts(
            now,
            "6.8.0-87-generic",
            ("6.8.0-86-generic", "6.8.0-87-generic"),
            slept=0.0,
            can_suspend=True,
            kill_user_processes="no",
            synced=True,
            clock_clients=("systemd-timesyncd",),
            systemd=True,
            user="ada",
            home="/home/ada",
            root=True,
            log="journal",
            mounts=(disk,),
            tmp=disk,
            shm=FileSystem("/dev/shm", 16 * GIB, 16 * GIB, answered=True),
            updates=Updates("apt", automatic=True, pending=4, security=0, lists_age=3600.0),
            memory=32 * GIB,
            available=24 * GIB,
            swap=8 * GIB,
        ),
    ]


def facts(now: float) -> list[Facts]:
    """The facts of a machine at home: most is well, and some of it is not."""
    return [*login_facts(now), *gpu_facts(now), *service_facts(now), *system_facts(now)]

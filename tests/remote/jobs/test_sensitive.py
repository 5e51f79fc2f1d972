"""What is a secret by its name or value: nothing of it reaches a record."""

from __future__ import annotations

import pytest

from gpubox.common.sensitive import secret_name, secret_value
from tests.remote.jobs.box import Box

SECRETS = """
    HF_TOKEN HUGGING_FACE_HUB_TOKEN HUGGINGFACEHUB_API_TOKEN WANDB_API_KEY wandbApiKey AWS_SECRET_ACCESS_KEY
    AWS_ACCESS_KEY_ID AWS_SESSION_TOKEN PGPASSWORD PGPASS MYSQL_PWD SSHPASS TOKEN TOKEN2
    private_key x_auth MASTERKEY MASTER_KEY SSHKEY SSH_KEY SSH_PRIVATE_KEY PASSKEY GITHUB_TOKENS GITHUB_TOKEN
    GH_TOKEN
    GITLAB_PRIVATE_TOKEN CI_JOB_TOKEN BEARER BEARER_TOKEN OPENAI_API_KEY ANTHROPIC_API_KEY COMET_API_KEY
    NEPTUNE_API_TOKEN MLFLOW_TRACKING_PASSWORD MLFLOW_TRACKING_TOKEN CLEARML_API_SECRET_KEY KAGGLE_KEY
    NGC_API_KEY GOOGLE_APPLICATION_CREDENTIALS GOOGLE_API_KEY AZURE_CLIENT_SECRET
    AZURE_STORAGE_CONNECTION_STRING
    AZURE_STORAGE_SAS_TOKEN AZURE_DEVOPS_EXT_PAT ACCOUNT_SAS DOCKER_PASSWORD DOCKER_AUTH_CONFIG NPM_TOKEN
    NODE_AUTH_TOKEN TWINE_PASSWORD PYPI_TOKEN CONDA_TOKEN ANACONDA_API_TOKEN SENTRY_DSN SLACK_WEBHOOK_URL
    SLACK_BOT_TOKEN DISCORD_WEBHOOK TELEGRAM_BOT_TOKEN JWT JWT_SECRET SESSION_COOKIE COOKIES DJANGO_SECRET_KEY
    SECRET_KEY_BASE FERNET_KEY ENCRYPTION_KEY SIGNING_KEY APIKEY API_KEYS apikey MYAPIKEY AUTHTOKEN OAUTH
    BASIC_AUTH DB_PASS DB_PASSWD REDISCLI_AUTH RESTIC_PASSWORD BORG_PASSPHRASE GPG_PASSPHRASE VAULT_TOKEN
    AWSCREDS DB_CREDS STRIPE_SK_KEY LICENSE_KEY RUNPOD_API_KEY VAST_API_KEY LAMBDA_API_KEY REPLICATE_API_TOKEN
    dbPassword clientSecret SMTP_PASS ROOTPW_PASS SUDO_PASSCODE XAPIKEY1
"""
PLAIN = """
    PATH HOME PWD OLDPWD SHELL TERM LANG LC_ALL DISPLAY XAUTHORITY SSH_AUTH_SOCK SSH_CONNECTION USER LOGNAME
    KEYBOARD TOKENIZERS_PARALLELISM TOKENIZER COMPASS BYPASS MONKEY MAX_TOKENS MAX_NEW_TOKENS NUM_TOKENS
    TOKENS_PER_BATCH PAD_TOKEN EOS_TOKEN_ID CUDA_VISIBLE_DEVICES CUDA_HOME LD_LIBRARY_PATH OMP_NUM_THREADS
    NCCL_DEBUG NCCL_SOCKET_IFNAME MASTER_ADDR MASTER_PORT RANK WORLD_SIZE LOCAL_RANK PYTHONPATH
    PYTORCH_CUDA_ALLOC_CONF TF_CPP_MIN_LOG_LEVEL XLA_FLAGS HF_HOME HF_HUB_OFFLINE TRANSFORMERS_CACHE
    WANDB_PROJECT WANDB_MODE WANDB_ENTITY MLFLOW_TRACKING_URI GIT_AUTHOR_NAME AUTHOR PUBLIC_KEY
    KRB5_KTNAME SLURM_JOB_ID CONDA_PREFIX VIRTUAL_ENV EPOCHS LR BATCH_SIZE SEED DATA_DIR HOTKEY PATTERN
    PATIENCE PASSES DESCRIPTION SASS_COMPILER MLFLOW_EXPERIMENT_NAME NO_PROXY
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_other_names_are_no_secrets(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgres://ada:s3cret@db:5432/runs", True),
        ("redis://:s3cret@cache", True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", True),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", True),
        ("hf_abcdefghijklmnop", True),
        ("sk-abcdefghijklmnop", True),
        ("http://127.0.0.1:5000", False),
        ("https://ada@example.org/x:y", False),
        ("/data/hf_models", False),
        ("0,1", False),
    ],
)
def test_a_secret_is_known_by_its_form(value: str, secret: bool) -> None:
    assert secret_value(value) == secret


def test_no_secret_reaches_the_disk_of_the_box(box: Box) -> None:
    names = ("MASTERKEY", "SSHKEY", "PASSKEY", "GITHUB_TOKENS", "BEARER", "PGPASS")
    secrets = dict.fromkeys(names, "s3cret-value") | {"STORE": "mysql://ada:s3cret-value@db/x"}
    record = box.run("sh", "-c", "echo $SSHKEY | tr a-z A-Z", environment={**secrets, "EPOCHS": "3"})
    assert box.log(record.id) == b"S3CRET-VALUE\n"
    assert record.spec.environment == {"EPOCHS": "3"}
    assert set(record.spec.hidden) == set(secrets)
    files = [path for path in box.root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-value" in path.read_bytes()]

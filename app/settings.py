"""Every setting of the service, each an environment variable `MODEL_TRANSFER_<NAME>`.

Nothing else reads the environment. `.env.example` lists them all; a test keeps it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import setting_formats
from app.private_files import socket_path
from app.redaction import MASK, without_secrets

SECOND = 1.0
_KEYS = ("storage_access_key", "storage_secret_key")
MIB = 1 << 20


class Settings(BaseSettings):
    """Settings with the defaults of a laptop: SQLite, a local folder, a bundled broker."""

    model_config = SettingsConfigDict(
        env_prefix="MODEL_TRANSFER_", env_ignore_empty=True, hide_input_in_errors=True
    )

    host: str = Field(
        "127.0.0.1",
        description="Address the API listens on. Other than loopback, it needs a key, or "
        "MODEL_TRANSFER_ALLOW_ANONYMOUS.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    data_dir: Annotated[Path, AfterValidator(setting_formats.absolute)] = Field(
        Path("model-transfer-data"), description="Folder of the database, the files and the bundled broker."
    )
    database_url: str = Field(
        "", description="SQLAlchemy address of the database. Empty: SQLite in the data folder."
    )
    broker_url: Annotated[str, AfterValidator(setting_formats.broker_url)] = Field(
        "", description="Address of Redis or Valkey. Empty: `serve` starts its own broker."
    )
    storage_url: Annotated[str, AfterValidator(setting_formats.storage_url)] = Field(
        "",
        description="Where files are stored: file:///folder or s3://bucket. Empty: `blobs` in the "
        "data folder.",
    )
    storage_endpoint: str = Field("", description="Address of an S3-compatible store. Empty: Amazon's.")
    storage_access_key: str = Field("", description="Its access key. Empty: boto3 looks for one.")
    storage_secret_key: SecretStr = Field(
        SecretStr(""), description="Its secret key. Empty: boto3 looks for one."
    )
    storage_cache_bytes: int = Field(
        20 * 1024 * MIB,
        ge=0,
        description="Disk space for copies of an object store's files, on each machine.",
    )
    listen_fd: int = Field(
        -1,
        ge=-1,
        description="Inherited socket that the API listens on; set by `serve`. -1: the API opens its own.",
    )
    published_host: str = Field(
        "", description="Address on which a container's port is published; set by docker-compose.yml."
    )
    allow_anonymous: bool = Field(
        False,
        description="Listen on other addresses than loopback without any key, although anyone who can reach "
        "them can use the service.",
    )
    public_url: Annotated[str, AfterValidator(setting_formats.public_url)] = Field(
        "", description="Address at which users reach the API behind a proxy."
    )
    allowed_hosts: Annotated[str, AfterValidator(setting_formats.hosts)] = Field(
        "",
        description="Further host names of the service, separated by commas.",
    )
    cors_origins: Annotated[str, AfterValidator(setting_formats.origins)] = Field(
        "",
        description="Origins of other web pages that may use the API, separated by commas. Empty: none.",
    )
    trusted_proxies: Annotated[str, AfterValidator(setting_formats.proxies)] = Field(
        "",
        description="Addresses or networks of proxies whose X-Forwarded headers are trusted, separated by "
        "commas. Empty: none.",
    )

    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged."
    )
    log_format: str = Field(
        "text", pattern="^(text|json)$", description="Log lines as text, or as JSON with job and attempt."
    )
    api_processes: int = Field(1, ge=1, le=64, description="API processes that share the port.")
    worker_concurrency: int = Field(1, ge=1, le=256, description="Jobs that one worker runs at once.")
    worker_threads: int = Field(
        0, ge=0, description="CPU threads of TensorFlow in one job. 0: all cores, divided among the jobs."
    )
    devices_per_job: int = Field(
        1,
        ge=1,
        le=64,
        description="GPUs, or without any parts of the CPU, that one job trains on. Jobs do not share them.",
    )
    jobs_per_process: int = Field(
        20,
        ge=1,
        description="Jobs after which a worker's process is replaced; TensorFlow leaks a little "
        "memory per job.",
    )

    lease_seconds: float = Field(
        30 * SECOND, gt=0, description="How long a worker that stopped responding keeps its job."
    )
    heartbeat_seconds: float = Field(2 * SECOND, gt=0, description="How often a worker renews its lease.")
    sweep_seconds: float = Field(5 * SECOND, gt=0, description="How often the sweeper looks for lost jobs.")
    resend_seconds: float = Field(
        30 * SECOND, gt=0, description="Age at which workers are notified again of a queued job."
    )
    max_attempts: int = Field(3, ge=1, description="Attempts of a job before it fails for good.")
    retry_seconds: float = Field(
        7 * 24 * 3600 * SECOND,
        ge=0,
        description="How long a failed or cancelled job can be retried from where it stopped.",
    )
    queues: Annotated[str, AfterValidator(setting_formats.names)] = Field(
        "default",
        description="Queues that jobs may be posted to, separated by commas; the first is the default.",
    )
    worker_queues: Annotated[str, AfterValidator(setting_formats.names)] = Field(
        "", description="Queues whose jobs a worker runs, separated by commas. Empty: all."
    )
    jobs_of_one_owner: int = Field(
        0, ge=0, description="Jobs of one `owner` that run at once. 0: as many as there are workers."
    )
    stop_grace_seconds: float = Field(
        20 * SECOND,
        gt=0,
        description="Time that a running job has to stop before its process is killed.",
    )
    checkpoint_seconds: float = Field(
        30 * SECOND, ge=0, description="Time between two training checkpoints within an epoch."
    )

    keep_versions: int = Field(
        0,
        ge=0,
        description="How many of a model's newest versions keep their files, besides those with an "
        "alias. 0: all.",
    )
    keep_dataset_seconds: float = Field(
        0.0, ge=0, description="How long an unused data set is kept. 0: until it is deleted."
    )
    keep_source_seconds: float = Field(
        30 * 24 * 3600 * SECOND,
        ge=0,
        description="How long a trained source is kept for later jobs with the same source. 0: for ever.",
    )
    keep_reply_seconds: float = Field(
        24 * 3600 * SECOND,
        ge=0,
        description="How long the answer to a request with an Idempotency-Key is kept.",
    )
    max_kept_bytes: int = Field(
        0,
        ge=0,
        description="Total size of data sets and versions above which uploads and transfers are refused. 0: "
        "no limit.",
    )
    max_workspace_bytes: int = Field(
        0,
        ge=0,
        description="Size of a workspace's data sets and versions above which its uploads and transfers are "
        "refused, unless an admin gave it another limit. 0: no limit.",
    )
    max_workspace_versions: int = Field(
        0,
        ge=0,
        description="Versions of models that a workspace may have, unless an admin gave it another limit. 0: "
        "no limit.",
    )

    max_job_memory_bytes: int = Field(
        8 * 1024 * MIB,
        gt=0,
        description="Estimated memory that a training may need; a job that needs more is refused.",
    )
    max_job_steps: int = Field(
        100_000_000,
        gt=0,
        description="Estimated training steps that a job may need; a job that needs more is refused.",
    )
    max_job_seconds: float = Field(
        0.0,
        ge=0,
        description="Running time of a job, over all attempts, after which it fails with `out_of_time`, "
        "unless an admin gave its workspace another limit. 0: no limit.",
    )
    max_queued_jobs: int = Field(
        0,
        ge=0,
        description="Waiting jobs of a workspace above which new ones are refused with 429, unless an admin "
        "gave it another limit. 0: no limit.",
    )
    max_running_jobs: int = Field(
        0,
        ge=0,
        description="Jobs of a workspace that run at once, unless an admin gave it another limit. 0: as many "
        "as there are workers.",
    )
    max_json_bytes: int = Field(
        MIB,
        ge=1024,
        description="Maximum size of a JSON body, and of all fields beside an upload's file.",
    )
    request_rate: Annotated[str, AfterValidator(setting_formats.rate)] = Field(
        "",
        description="Requests that one client may send, such as 600/minute or 20/second; more get 429. "
        "Empty: no limit.",
    )
    header_seconds: float = Field(
        20 * SECOND, gt=0, description="Maximum time for the headers of a request; then it is cut off."
    )
    slow_body_seconds: float = Field(
        30 * SECOND,
        gt=0,
        description="Time of waiting for a body after which it must have come at the minimum rate.",
    )
    min_body_rate: int = Field(
        1024,
        ge=0,
        description="Minimum bytes a second of a body; slower ones get 408. 0: silence alone does.",
    )
    max_upload_bytes: int = Field(20 * 1024 * MIB, gt=0, description="Maximum size of an upload.")
    inspection_seconds: float = Field(
        1800 * SECOND, gt=0, description="Maximum time for the validation of an upload."
    )
    small_inspection_seconds: float = Field(
        5 * SECOND,
        gt=0,
        description="Maximum time for a small upload before it waits with the large ones.",
    )
    inspection_memory_bytes: int = Field(
        4096 * MIB, gt=0, description="Maximum address space for the validation of an upload."
    )
    preset_dir: str = Field(
        "", description="Folder of pretrained backbones. Empty: `presets` in the data folder."
    )
    feature_cache_bytes: int = Field(
        10 * 1024 * MIB, ge=0, description="Disk space for features that a worker keeps for later jobs."
    )
    max_archive_files: int = Field(1_000_000, gt=0, description="Maximum number of files in an archive.")
    max_unpacked_bytes: int = Field(
        50 * 1024 * MIB, gt=0, description="Maximum unpacked size of a compressed file, with images decoded."
    )
    max_unpacked_ratio: int = Field(
        200, ge=1, description="Maximum ratio of unpacked to compressed size, with images decoded."
    )
    free_unpacked_bytes: int = Field(
        256 * MIB, ge=0, description="Unpacked size that is allowed whatever the ratio, with images decoded."
    )
    max_example_bytes: int = Field(64 * MIB, gt=0, description="Maximum size of one image, text or sequence.")
    max_image_pixels: int = Field(64 * MIB, gt=0, description="Maximum number of pixels of one image.")
    inspection_concurrency: int = Field(
        2,
        ge=1,
        description="Uploads under 8 MB that one API process validates at once; as many larger ones, and as "
        "many during their upload.",
    )
    predictor_url: str = Field(
        "",
        description="Where the API finds the predictor, such as http://predictor:8001. Empty: on the "
        "socket of the one on this machine, in the data folder.",
    )
    predictor_memory_bytes: int = Field(
        1024 * MIB, gt=0, description="Memory of the versions that a predictor keeps loaded."
    )
    predictor_waiting_rows: int = Field(
        20_000,
        gt=0,
        description="Rows of one workspace that wait in a predictor above which its requests are refused.",
    )
    predictor_seconds: float = Field(
        60 * SECOND, gt=0, description="How long the API waits for the predictor's answer."
    )
    max_instances_bytes: int = Field(
        32 * MIB, ge=1024, description="Maximum size of a request for predictions."
    )
    orphan_seconds: float = Field(
        3600 * SECOND, gt=0, description="Age at which an unreferenced file is deleted."
    )

    @property
    def queue_names(self) -> list[str]:
        """The queues there are."""
        return self.queues.split(",")

    @property
    def served_queues(self) -> list[str]:
        """The queues that a worker takes jobs from."""
        return self.worker_queues.split(",") if self.worker_queues else self.queue_names

    @property
    def allowed_host_names(self) -> list[str]:
        """The further names that requests may call the service by."""
        return setting_formats.items(self.allowed_hosts)

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of other pages that may use the API."""
        return setting_formats.items(self.cors_origins)

    @property
    def effective_database_url(self) -> str:
        """The configured database, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'model-transfer.db'}"

    @property
    def effective_preset_dir(self) -> Path:
        """The folder of pretrained backbones."""
        return (
            setting_formats.absolute(Path(self.preset_dir)) if self.preset_dir else self.data_dir / "presets"
        )

    @property
    def features_dir(self) -> Path:
        """The folder in which a worker keeps computed features; each machine has its own."""
        return self.data_dir / "features"

    @property
    def storage_dir(self) -> Path:
        """The folder that holds the blobs, or copies of an object store's."""
        if self.storage_url.startswith("s3://"):
            return self.data_dir / "copies"
        return Path(self.storage_url.removeprefix("file://")) if self.storage_url else self.data_dir / "blobs"

    @property
    def effective_broker_url(self) -> str:
        """The configured broker, or the socket of the one that `serve` starts for this data folder."""
        return self.broker_url or f"redis+socket://{self.broker_socket}"

    @property
    def broker_socket(self) -> Path:
        """Unix socket of the bundled broker."""
        return socket_path(self.data_dir / "broker", "broker.sock")

    @property
    def effective_predictor_url(self) -> str:
        """The configured predictor, or the socket of the one on this machine."""
        folder = self.data_dir / "predictor"
        return self.predictor_url or f"unix:{socket_path(folder, 'predictor.sock')}"

    @property
    def secrets(self) -> list[str]:
        """The passwords and keys among the values, as they stand there and as they are sent."""
        found = [self.storage_secret_key.get_secret_value()]
        for url in (self.database_url, *self.broker_url.split(";"), self.storage_endpoint):
            with suppress(ValueError):  # an address that cannot be read is told by who uses it
                password = urlsplit(url).password or ""
                found += [password, unquote(password)]
        return sorted({secret for secret in found if secret}, key=len, reverse=True)

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        """What a line or a traceback may tell of the settings."""
        yield from self.shown().items()

    def shown(self) -> dict[str, str]:
        """Every value by the setting's name, to be read by people: passwords and keys are masked."""
        return {
            name: (MASK if str(getattr(self, name)) else "")
            if name in _KEYS
            else without_secrets(str(getattr(self, name)))
            for name in type(self).model_fields
        }


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()

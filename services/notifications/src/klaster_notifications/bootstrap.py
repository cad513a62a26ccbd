"""The composition root: chooses what stands behind every port. Nothing is opened here."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from klaster_notifications.adapters.calendars import CalendarWriter, Organiser
from klaster_notifications.adapters.letters import TemplateLetters
from klaster_notifications.adapters.smtp import SmtpAccess, SmtpServer
from klaster_notifications.adapters.work import NotificationsWork
from klaster_notifications.consumers import build_consumers
from klaster_notifications.metrics import NotificationsMetrics
from klaster_notifications.sending.sender import Sender
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.clock import Clock, SystemClock
from klaster_shared.consuming.consumer import RunningConsumer
from klaster_shared.consuming.office import ParkingOffice
from klaster_shared.consuming.retrying import Unparker
from klaster_shared.db.engine import Database
from klaster_shared.db.unit_of_work import Transactions
from klaster_shared.kafka import TopicIdentities
from klaster_shared.observability.metrics import Metrics, new_registry
from klaster_shared.observability.stored_state import StoredState
from klaster_shared.outbox.publisher import KafkaPublisher
from klaster_shared.outbox.relay import Relay
from klaster_shared.web.lifespan import Component

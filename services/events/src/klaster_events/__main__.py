from klaster_events.settings import EventsSettings
from klaster_shared.command_line import Service, command_line

SERVICE = Service(package="klaster_events", settings=EventsSettings)
main = command_line(SERVICE)

if __name__ == "__main__":
    main()

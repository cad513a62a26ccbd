from klaster_events.settings import EventsSettings
from klaster_shared.command_line import Service, command_line

main = command_line(Service(package="klaster_events", settings=EventsSettings))

if __name__ == "__main__":
    main()

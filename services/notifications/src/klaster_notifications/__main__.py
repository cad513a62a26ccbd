from klaster_notifications.restoring.commands import add_restore_command
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.command_line import Service, command_line, workshop_of
from klaster_shared.lifecycle import Role

SERVICE = Service(package="klaster_notifications", settings=NotificationsSettings, roles=frozenset(Role))
main = command_line(SERVICE)
add_restore_command(main, SERVICE.command, lambda: workshop_of(SERVICE))

if __name__ == "__main__":
    main()

from klaster_notifications.settings import NotificationsSettings
from klaster_shared.command_line import Service, command_line

main = command_line(Service(package="klaster_notifications", settings=NotificationsSettings))

if __name__ == "__main__":
    main()

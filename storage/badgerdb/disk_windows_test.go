package badgerdb

import "golang.org/x/sys/windows"

var fullDisk error = windows.ERROR_DISK_FULL

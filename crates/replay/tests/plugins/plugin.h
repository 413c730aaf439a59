/* What all test plugins share. */
#include "falco_plugin_abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT const char* plugin_get_description(void) { return "a test plugin"; }
EXPORT const char* plugin_get_contact(void) { return "nobody"; }
EXPORT const char* plugin_get_version(void) { return "0.1.0"; }

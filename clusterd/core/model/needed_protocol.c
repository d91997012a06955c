/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which version of the protocol a command needs; see needed_protocol.h.
 */
#include "core/model/needed_protocol.h"

#include "core/model/model.h"
#include "core/model/settings.h"
#include "wire/command.h"

uint32_t version_of_command(uint32_t type, const void *command) {
    uint32_t since = command_since(type);
    if (type == COMMAND_CONFIG_SET) {
        int id = setting_find(((const struct cmd_config_set *)command)->key);
        uint32_t of_setting = id < 0 ? since : setting_since((enum setting_id)id);
        since = of_setting > since ? of_setting : since;
    }
    return since;
}

uint32_t version_of_view(const struct model *m) {
    return m->protocol > PROTOCOL_LOWEST ? m->protocol : PROTOCOL_LOWEST;
}

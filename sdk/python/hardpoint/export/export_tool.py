"""Exports a tool."""

from plugin import plugin

from hardpoint import tool


class Tool:
    """The interface `tool`."""

    def describe(self, settings):
        return tool.describe(plugin, settings)

    def call(self, arguments, settings):
        return tool.call(plugin, arguments, settings)

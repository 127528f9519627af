"""What the component exports. componentize-py looks for classes by the interfaces' names: in the module that it is
given (`export_…`), and, for resources, in a module named after the interface. All of them lead to `plugin.plugin`.
"""

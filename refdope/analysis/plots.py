def demo_figure(a,b): pass

"""Maps and pixels: affine maps, resampling, pasting, splines, mattes, meshes."""

# SPDX-License-Identifier: MIT
#
# Cost against size, both logarithmic. Called with `folder` (of <series>.dat: size, median, 10 %,
# 90 %) and `svg`.

set terminal svg size 900,560 font "sans-serif,14" background "white"
set output svg
set title "weir's pool: acquire + release (median, and 10 % to 90 % of the samples)"
set logscale x 10
set logscale y 10
set xrange [0.7:2000000]
set yrange [20:5000]
set format x "10^{%T}"
set xlabel "how many origins, or slots of one origin"
set ylabel "nanoseconds"
set ytics (20, 50, 100, 200, 500, 1000, 2000, 5000)
set grid xtics ytics lc rgb "#dddddd" lt 1
set key top center
set label "200 ns: at most, at one origin" at 0.8,215 left tc rgb "#aa0000"
set label "600 ns: three times that" at 0.8,645 left tc rgb "#aa0000"
file(s) = folder . "/" . s . ".dat"
plot 200 with lines dt 2 lc rgb "#aa0000" notitle, \
     600 with lines dt 2 lc rgb "#aa0000" notitle, \
     file("same") using 1:2:3:4 with yerrorlines lw 2 pt 7 lc rgb "#1b6ca8" title "origins, always the same one", \
     file("random") using 1:2:3:4 with yerrorlines lw 2 pt 5 lc rgb "#d1495b" title "origins, a random one each time", \
     file("idle") using 1:2:3:4 with yerrorlines lw 2 pt 9 lc rgb "#66a182" title "slots of one origin, all idle", \
     file("busy") using 1:2:3:4 with yerrorlines lw 2 pt 11 lc rgb "#8a6fb0" title "slots of one origin, all but one busy"

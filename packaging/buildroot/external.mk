include $(sort $(wildcard $(BR2_EXTERNAL_BOARDBOX_PATH)/package/*/*.mk))

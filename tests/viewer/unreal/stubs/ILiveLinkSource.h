#pragma once

#include "CoreMinimal.h"
#include "LiveLinkTypes.h"

class ILiveLinkClient;
class ULiveLinkSourceSettings;
struct FPropertyChangedEvent;

class ILiveLinkSource
{
public:
	virtual ~ILiveLinkSource() = default;
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) = 0;
	virtual void InitializeSettings(ULiveLinkSourceSettings* Settings);
	virtual void Update();
	virtual bool CanBeDisplayedInUI() const;
	virtual bool IsSourceStillValid() const = 0;
	virtual bool RequestSourceShutdown() = 0;
	virtual FText GetSourceType() const = 0;
	virtual FText GetSourceMachineName() const = 0;
	virtual FText GetSourceStatus() const = 0;
	virtual TSubclassOf<ULiveLinkSourceSettings> GetSettingsClass() const;
	virtual void OnSettingsChanged(ULiveLinkSourceSettings* Settings, const FPropertyChangedEvent& PropertyChangedEvent);
};
